package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
)

// lostError is a call whose reply never came: it may have run.
type lostError struct{ cause error }

func (e *lostError) Error() string   { return e.cause.Error() }
func (e *lostError) Unwrap() []error { return []error{jobs.ErrUnavailable, e.cause} }

// refusals are the answers of a server that will do what was asked, but not
// now. Nothing has run.
var refusals = []struct {
	prefix  string
	meaning error
}{
	{"LOADING", jobs.ErrLoading},
	{"READONLY", jobs.ErrReadOnly},
	{"OOM", jobs.ErrOutOfMemory},
	{"BUSY", jobs.ErrBusy},
	{"MASTERDOWN", jobs.ErrUnavailable},
	{"CLUSTERDOWN", jobs.ErrUnavailable},
	{"TRYAGAIN", jobs.ErrUnavailable},
	{"MOVED", jobs.ErrUnavailable}, // the client has noted where the slot went
	{"ASK", jobs.ErrUnavailable},
	{"MISCONF", jobs.ErrUnavailable},
	{"NOREPLICAS", jobs.ErrUnavailable},
	{"NOAUTH", jobs.ErrUnavailable},
	{"WRONGPASS", jobs.ErrUnavailable},                       // a password is being changed
	{"Protocol error: unauthenticated", jobs.ErrUnavailable}, // NOAUTH, said to a long call
	{"max number of clients reached", jobs.ErrUnavailable},   // the client takes ERR off
}

// meaning turns what the client returned into what a caller can act on.
func meaning(err error) error {
	for _, r := range refusals {
		if redis.HasErrorPrefix(err, r.prefix) || toldByScript(err, r.prefix) {
			return fmt.Errorf("%w: %w", r.meaning, err)
		}
	}
	if isDial(err) {
		return fmt.Errorf("%w: %w", jobs.ErrUnavailable, err)
	}
	if isNetwork(err) {
		return &lostError{err}
	}
	return err
}

// toldByScript finds what a command in a script answered in the error that Redis
// before 7 makes of it:
//
//	ERR Error running script (call to f_6b1b…): @user_script:1: @user_script: 1: -READONLY You can't …
func toldByScript(err error, prefix string) bool {
	text := err.Error()
	return strings.Contains(text, "Error running script") && strings.Contains(text, ": -"+prefix+" ")
}

// isDial: there was no connection, so nothing was sent.
func isDial(err error) bool {
	op, isOp := errors.AsType[*net.OpError](err)
	return isOp && op.Op == "dial"
}

func isNetwork(err error) bool {
	_, isNet := errors.AsType[net.Error](err)
	return isNet ||
		errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) ||
		errors.Is(err, redis.ErrPoolTimeout) ||
		errors.Is(err, redis.ErrPoolExhausted)
}

// isTimeout reports an error that says no more than that time was up.
func isTimeout(err error) bool {
	timeout, isNet := errors.AsType[net.Error](err)
	return isNet && timeout.Timeout() ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled)
}

// mayHaveRun tells a lost reply from a refusal.
func mayHaveRun(err error) bool {
	_, lost := errors.AsType[*lostError](err)
	return lost
}
