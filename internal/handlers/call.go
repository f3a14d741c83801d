package handlers

import "context"

// call is what is known of the request that is being answered. It is made once,
// filled in on the way to the handler, and read by one goroutine.
type call struct {
	id        string // the request's
	client    string // the address it came from
	pattern   string // of the route; "unmatched"
	route     *route // nil when no route matches
	waits     bool   // for a job
	caller    Caller
	body      []byte // what came, once it was read
	key       string // the Idempotency-Key
	print     []byte // fingerprint of the request, when there is a key
	traceText string // the traceparent header, when it is well formed
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf is the call of a context; outside of a request it is an empty one.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}
