package handlers

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/store"
)

// maxKey is the longest Idempotency-Key, in bytes.
const maxKey = 255

// idempotent answers a request that was answered before under the same key as
// it was answered then. Only successes are kept: what was refused or failed may
// be tried again with the same key.
func (a *API) idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if c.route == nil || !c.route.idempotent || len(r.Header.Values("Idempotency-Key")) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		c.key = r.Header.Get("Idempotency-Key")
		if err := checkKey(r.Header.Values("Idempotency-Key")); err != nil {
			a.writeProblem(w, r, err)
			return
		}
		c.print = fingerprint(r, c)
		ticket, earlier, err := a.began(r.Context(), c)
		switch {
		case err != nil:
			a.writeProblem(w, r, beginProblem(err))
		case earlier != nil:
			replay(w, earlier)
		default:
			a.once(w, r, next, ticket)
		}
	})
}

func (a *API) began(ctx context.Context, c *call) (store.Ticket, *store.Answer, error) {
	ctx, cancel := a.budget(ctx)
	defer cancel()
	return a.o.Idempotency.Begin(ctx, scopeOf(c), c.key, c.print)
}

// checkKey refuses keys that proxies and logs could read in several ways.
func checkKey(values []string) error {
	if len(values) > 1 {
		return jobs.Invalid("Idempotency-Key", "must be sent once")
	}
	if key := values[0]; key == "" || len(key) > maxKey {
		return jobs.Invalid("Idempotency-Key", "must have from 1 to %d characters", maxKey)
	}
	for _, b := range []byte(values[0]) {
		if b < 0x21 || b > 0x7e {
			return jobs.Invalid("Idempotency-Key", "must have visible ASCII characters only")
		}
	}
	return nil
}

// scopeOf is whose key it is: one caller's key means nothing to another, nor on
// another route. Where nobody has to say who they are, the address tells them
// apart.
func scopeOf(c *call) string {
	who := c.caller.identity()
	if c.route.scope == public {
		who = "address " + c.client
	}
	return c.route.method + " " + c.route.path + " " + who
}

// fingerprint stands for the request. It is keyed with the Idempotency-Key, of
// which only a hash is stored, so that nobody can find a password in a body by
// trying.
func fingerprint(r *http.Request, c *call) []byte {
	mac := hmac.New(sha256.New, []byte(c.key))
	// A hash never fails to be written to.
	_, _ = mac.Write([]byte(r.URL.RawQuery + "\n"))
	_, _ = mac.Write(c.body)
	return mac.Sum(nil)
}

func beginProblem(err error) error {
	switch {
	case errors.Is(err, store.ErrOtherBody):
		return problem("idempotency-mismatch", "The Idempotency-Key was used for another request.")
	case errors.Is(err, store.ErrInFlight):
		p := problem("in-flight", "A request with this Idempotency-Key is being answered.")
		p.retryAfter = 1
		return p
	}
	return &databaseError{err}
}

func replay(w http.ResponseWriter, answer *store.Answer) {
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(answer.Status)
	// The header is out; a client that has gone is all that can go wrong.
	_, _ = w.Write(answer.Body)
}

// once answers, and remembers the answer before the client has it: whoever saw
// it can rely on seeing it again.
func (a *API) once(w http.ResponseWriter, r *http.Request, next http.Handler, ticket store.Ticket) {
	kept := &keptResponse{header: w.Header()}
	done := false
	defer func() {
		if !done { // it panicked: nothing is known, so nothing is kept
			a.settle(r.Context(), func(ctx context.Context) error { return a.o.Idempotency.Forget(ctx, ticket) })
		}
	}()
	next.ServeHTTP(kept, r)
	kept.WriteHeader(http.StatusOK) // unless it has one
	done = true
	a.settle(r.Context(), func(ctx context.Context) error {
		if kept.status >= 200 && kept.status < 300 {
			return a.o.Idempotency.Finish(ctx, ticket, kept.answer())
		}
		return a.o.Idempotency.Forget(ctx, ticket)
	})
	w.WriteHeader(kept.status)
	_, _ = w.Write(kept.body.Bytes())
}

// settle ends a ticket although the client may have gone. When the database is
// away now, the ticket's lease ends it, and the ids that follow from the key keep
// a repeated request from adding a second job.
func (a *API) settle(ctx context.Context, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := do(ctx); err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "idempotent answer not kept",
			slog.String("request_id", callOf(ctx).id), slog.Any("error", err))
	}
}

// keptResponse holds an answer back.
type keptResponse struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keptResponse) Header() http.Header { return k.header }

func (k *keptResponse) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keptResponse) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}

// answer is what will be repeated: of the headers those that belong to the
// answer and not to the exchange.
func (k *keptResponse) answer() store.Answer {
	headers := map[string]string{}
	for _, name := range []string{"Content-Type", "Location"} {
		if value := k.header.Get(name); value != "" {
			headers[name] = value
		}
	}
	return store.Answer{Status: k.status, Headers: headers, Body: k.body.Bytes()}
}

// jobSpace is the name space of ids that follow from an Idempotency-Key.
var jobSpace = uuid.MustParse("6f1d1d3e-2f0e-4f6c-9a53-8a3f1c1b7d52")

// jobID is the id of the n-th job of a request: it follows from the
// Idempotency-Key and the body, and is new without a key. Making it here, before anything is
// sent, is what lets every later step be repeated.
func jobID(c *call, n int) (string, error) {
	if c.key != "" {
		seed := scopeOf(c) + "\n" + c.key + "\n" + string(c.print) + "\n" + strconv.Itoa(n)
		return uuid.NewHash(sha256.New(), jobSpace, []byte(seed), 8).String(), nil
	}
	id, err := uuid.NewV7()
	return id.String(), err
}
