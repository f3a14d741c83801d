package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/tandemq/tandem/internal/jobs"
)

// PanicError is a handler's panic, with the stack at that point.
type PanicError struct {
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap gives the error that was panicked with, if it was one.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// call runs a handler and returns its result as JSON. A panic becomes a
// PanicError, also one of a result that cannot be encoded, or of an error that
// cannot say what it is.
func call(ctx context.Context, m *Mux, task *Task) (result json.RawMessage, err error) {
	defer func() {
		if value := recover(); value != nil {
			result, err = nil, &PanicError{Value: value, Stack: string(debug.Stack())}
		}
	}()
	value, err := m.handle(ctx, task)
	if err != nil {
		_ = err.Error()
		return nil, err
	}
	return encodeResult(value)
}

// encodeResult makes a result's JSON. One that does not fit fails the job for
// good, since it would be as large the next time.
func encodeResult(value any) (json.RawMessage, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, jobs.Unrecoverable(fmt.Errorf("result cannot be stored as JSON: %w", err))
	}
	if err := jobs.CheckSize("result", len(text), jobs.MaxReturn); err != nil {
		return nil, jobs.Unrecoverable(err)
	}
	return text, nil
}

// traceOf is what is stored of a failure: the stack of a panic, otherwise the
// error's own words.
func traceOf(attempt int, err error) string {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return fmt.Sprintf("attempt %d: %s\n%s", attempt, p.Error(), p.Stack)
	}
	return fmt.Sprintf("attempt %d: %s", attempt, err)
}
