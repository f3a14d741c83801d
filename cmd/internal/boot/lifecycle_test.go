package boot

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheFirstSignalCancelsAndTheSecondForces(t *testing.T) {
	forced := make(chan struct{})
	ctx, stop := WithSignals(t.Context(), func() { close(forced) })
	defer stop()
	raise(t, syscall.SIGTERM)
	await(t, "the context ends", ctx.Done())
	if cause, ok := errors.AsType[Stopped](context.Cause(ctx)); !ok || cause.Signal != syscall.SIGTERM {
		t.Errorf("cause %v, want SIGTERM", context.Cause(ctx))
	}
	select {
	case <-forced:
		t.Error("one signal was enough to force")
	default:
	}
	raise(t, syscall.SIGINT)
	await(t, "the second signal forces", forced)
}

func raise(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(syscall.Getpid(), s); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("never happened: %s", what)
	}
}

func TestTeardownClosesInReverseAndJoinsFailures(t *testing.T) {
	var order []string
	var log bytes.Buffer
	down := Teardown{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	add := func(name string, err error) {
		down.AddClose(name, func() error { order = append(order, name); return err })
	}
	broken := errors.New("disk full")
	add("sql", broken)
	add("redis", nil)
	add("server", errors.New("cut off"))
	err := down.Run(t.Context())
	if diff := cmp.Diff([]string{"server", "redis", "sql"}, order); diff != "" {
		t.Error(diff)
	}
	if !errors.Is(err, broken) || err.Error() != "close server: cut off\nclose sql: disk full" {
		t.Errorf("error %q", err)
	}
	if strings.Count(log.String(), "not closed cleanly") != 2 {
		t.Errorf("the log does not name both failures: %s", &log)
	}
	if err := down.Run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second teardown did something: %v, %v", order, err)
	}
}

func TestOneDeadlineCoversTheWholeTeardown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down Teardown
		closed := false
		release := make(chan struct{})
		down.AddClose("database", func() error { closed = true; return nil })
		down.Add("stuck", func(context.Context) error { <-release; return nil })
		down.Add("patient", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		err := down.Run(ctx)
		if took := time.Since(began); took != 10*time.Second+grace {
			t.Errorf("the teardown took %v", took)
		}
		if !closed {
			t.Error("what could be closed at once was not")
		}
		want := "close patient: context deadline exceeded\nclose stuck: did not return by the deadline"
		if err == nil || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		close(release)
	})
}

func TestHowAGroupEnds(t *testing.T) {
	blocks := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name string
		role func(context.Context) error
		stop bool // somebody asks the group to stop
		want string
	}{
		{"asked to stop", blocks, true, ""},
		{"a role fails", func(context.Context) error { return errors.New("boom") }, false, "role: boom"},
		{"a role ends by itself", func(context.Context) error { return nil }, false, "role: ended by itself"},
		{"a role fails while it stops", func(ctx context.Context) error { <-ctx.Done(); return errors.New("boom") }, true, "role: boom"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				group := NewGroup(ctx)
				otherStopped := false
				group.Go("other", func(ctx context.Context) error { <-ctx.Done(); otherStopped = true; return nil })
				group.Go("role", test.role)
				if synctest.Wait(); test.stop {
					cancel()
				}
				got := ""
				if err := group.Wait(); err != nil {
					got = err.Error()
				}
				if got != test.want || !otherStopped {
					t.Errorf("ended with %q, want %q; the other role stopped: %t", got, test.want, otherStopped)
				}
			})
		})
	}
}
