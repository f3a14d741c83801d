package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Teardown is a stack of named cleanups. Each thing that was built adds its
// own at once, so a program that fails half way through building closes what it
// has. The zero value is empty and silent. It is for one goroutine.
type Teardown struct {
	Logger *slog.Logger // nil is silent
	steps  []cleanup
}

type cleanup struct {
	name string
	do   func(context.Context) error
}

// Add puts a cleanup on the stack.
func (t *Teardown) Add(name string, do func(context.Context) error) {
	t.steps = append(t.steps, cleanup{name, do})
}

// AddClose is Add for a Close that takes no context.
func (t *Teardown) AddClose(name string, close func() error) {
	t.Add(name, func(context.Context) error { return close() })
}

// grace is what a cleanup gets after the deadline to notice that it has passed.
const grace = 250 * time.Millisecond

// Run runs the cleanups, the last added first, and empties the stack. ctx is
// the deadline of all together. After it the rest still run, with a context
// that has ended, because most things can be closed at once; one that does not
// return is left behind and reported. The errors are joined.
func (t *Teardown) Run(ctx context.Context) error {
	steps := t.steps
	t.steps = nil
	slices.Reverse(steps)
	var failures []error
	for _, step := range steps {
		began := time.Now()
		err := step.run(ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("close %s: %w", step.name, err))
		}
		t.log(ctx, step.name, time.Since(began), err)
	}
	return errors.Join(failures...)
}

func (t *Teardown) log(ctx context.Context, name string, took time.Duration, err error) {
	switch {
	case t.Logger == nil:
	case err != nil:
		t.Logger.WarnContext(ctx, "not closed cleanly", "part", name, "duration", took, "error", err)
	default:
		t.Logger.DebugContext(ctx, "closed", "part", name, "duration", took)
	}
}

// errStuck: a cleanup ignores its context.
var errStuck = errors.New("did not return by the deadline")

func (c cleanup) run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- c.do(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errStuck
	}
}
