// Package events is for whoever watches a queue.
//
//	for event, err := range events.Follow(ctx, conn, "bull", "email", events.FromNow) {
//		…
//	}
//
// The stream holds the latest 10,000 or so events of a queue, whoever caused
// them. Following it never misses one: after a lost connection it goes on behind
// the last event that was yielded. If more events came in the meantime than the
// stream holds, ErrGap says so, once, and the oldest that are left follow.
package events

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// Where to begin, beside the ID of an event that was seen, behind it, and a
// moment in unix milliseconds (1795422459479): whatever came since, of which
// nothing was seen.
const (
	FromNow   = "$"
	FromStart = "0"
)

// ErrGap is yielded when the stream was trimmed up to the place where the
// follower was, or beyond: events may be missing. What follows is complete again.
var ErrGap = errors.New("events were trimmed before they could be read")

// block is how long one read waits; it bounds how late a dead connection shows.
const block = 10 * time.Second

// source is what following needs of the broker.
type source interface {
	Last(ctx context.Context) (string, error)
	Has(ctx context.Context, id string) (bool, error)
	Read(ctx context.Context, after string, block time.Duration) ([]jobs.Event, error)
	Close() error
}

// Follow yields a queue's events from a place on, in order, until ctx ends or the
// caller stops. An error is yielded with a zero event: one that is
// jobs.ErrUnavailable or ErrGap is for the caller to know, and following goes
// on; any other is the last.
func Follow(ctx context.Context, conn *redisconn.Conn, prefix, queue, from string) iter.Seq2[jobs.Event, error] {
	return func(yield func(jobs.Event, error) bool) {
		if err := validate(queue, from); err != nil {
			yield(jobs.Event{}, err)
			return
		}
		keys := wire.NewKeys(prefix, queue)
		stream := broker.NewStream(conn.Dedicated(keys.ClientName("")+":qe", block), keys)
		// The client cannot give up a blocked read; closing its connection ends it.
		closed := context.AfterFunc(ctx, func() { _ = stream.Close() })
		defer func() {
			if closed() {
				_ = stream.Close()
			}
		}()
		f := follower{source: stream, after: from, yield: yield}
		f.run(ctx)
	}
}

func validate(queue, from string) error {
	if err := jobs.ValidateQueue(queue); err != nil {
		return err
	}
	if from == FromNow {
		return nil
	}
	_, err := strconv.ParseUint(from, 10, 64) // a moment
	if _, _, ok := parseID(from); !ok && err != nil {
		return jobs.Invalid("from", "must be an event's id, like 1795422459479-0, or a moment in unix ms")
	}
	return nil
}

// follower reads on from its place.
type follower struct {
	source source
	after  string
	yield  func(jobs.Event, error) bool
}

func (f *follower) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		events, err := f.read(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = 0
			if !f.tell(events) {
				return
			}
			continue
		}
		if errors.Is(err, errStopped) {
			return
		}
		if !f.yield(jobs.Event{}, err) || !errors.Is(err, jobs.ErrUnavailable) {
			return
		}
		failures++
		pause(ctx, failures)
	}
}

// read fixes the place before anything else: "$" would mean another one after
// each lost connection.
func (f *follower) read(ctx context.Context) ([]jobs.Event, error) {
	if f.after == FromNow {
		last, err := f.source.Last(ctx)
		if err != nil {
			return nil, err
		}
		f.after = last
	}
	events, err := f.source.Read(ctx, f.after, block)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return events, f.lookForGap(ctx)
}

// lookForGap asks, when events have been read, whether the entry that was seen
// before them is still there: a caller, or the whole process, may have stood still
// for any time. If it is, nothing behind it was trimmed; if not, more may have gone
// with it.
func (f *follower) lookForGap(ctx context.Context) error {
	if _, _, ok := parseID(f.after); !ok || f.after == "0-0" {
		return nil
	}
	has, err := f.source.Has(ctx, f.after)
	if err != nil || has {
		return err
	}
	if !f.yield(jobs.Event{}, ErrGap) {
		return errStopped
	}
	return nil
}

// errStopped is the caller who has seen enough.
var errStopped = errors.New("caller stopped")

func (f *follower) tell(events []jobs.Event) bool {
	for _, e := range events {
		f.after = e.ID
		if !f.yield(e, nil) {
			return false
		}
	}
	return true
}

func pause(ctx context.Context, failures int) {
	d := min(50*time.Millisecond<<min(failures-1, 4), 500*time.Millisecond)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// parseID splits a stream entry's id into its milliseconds and counter.
func parseID(id string) (ms, counter uint64, ok bool) {
	left, right, found := strings.Cut(id, "-")
	ms, err := strconv.ParseUint(left, 10, 64)
	if err != nil || !found {
		return 0, 0, false
	}
	counter, err = strconv.ParseUint(right, 10, 64)
	return ms, counter, err == nil
}
