package inject

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// Fault is one way in which things go wrong.
type Fault struct {
	Name string
	// Do strikes, and returns after what it did has healed. The error is a fault
	// that could not be done or did not heal. Everything that is left to chance is
	// drawn from r, so that a seed repeats it.
	Do func(ctx context.Context, r *rand.Rand) error
}

// Span is a range of durations to draw from, both ends included.
type Span struct{ Min, Max time.Duration }

// draw takes one of the span's durations, in milliseconds.
func (s Span) draw(r *rand.Rand) time.Duration {
	if s.Max <= s.Min {
		return s.Min
	}
	return s.Min + time.Duration(r.Int64N(int64((s.Max-s.Min)/time.Millisecond)+1))*time.Millisecond
}

// last waits for d. The error is the context's, when that ends first.
func last(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// healing is a context for undoing a fault, which has to be done also when ctx
// has ended.
func healing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

// missing skips the test that asked for a program that is not installed, or fails
// it where nothing may be missing.
func missing(tb testing.TB, what, program string) {
	tb.Helper()
	if os.Getenv("REDISTEST_STRICT") == "1" {
		tb.Fatalf("inject: %s needs %s, and REDISTEST_STRICT=1 forbids skipping", what, program)
	}
	tb.Skipf("inject: skipped, %s needs %s", what, program)
}

// denied skips the test that asked for what this machine does not let anybody do:
// no installation helps. Where nothing may be skipped unseen it fails, unless
// SKIPPED_FILE names a file in which somebody will read of it.
func denied(tb testing.TB, what string, err error) {
	tb.Helper()
	told := os.Getenv("SKIPPED_FILE")
	if told == "" && os.Getenv("REDISTEST_STRICT") == "1" {
		tb.Fatalf("inject: %s is not allowed here, and REDISTEST_STRICT=1 forbids skipping: %v", what, err)
	}
	if told != "" {
		if err := note(told, fmt.Sprintf("%s: %s is not allowed here: %v", tb.Name(), what, err)); err != nil {
			tb.Fatalf("inject: %v", err)
		}
	}
	tb.Skipf("inject: skipped, %s is not allowed here: %v", what, err)
}

// note adds a line to a file that several tests may write to at once.
func note(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("note what is skipped: %w", err)
	}
	_, err = fmt.Fprintln(file, strings.ReplaceAll(line, "\n", " "))
	return errors.Join(err, file.Close())
}
