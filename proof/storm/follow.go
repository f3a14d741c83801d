package storm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/proof/ledger"
)

// follower copies what the queue's event stream tells into the ledger. It is the
// witness that no worker can talk to: an outcome whose worker died before it
// could write a line is seen here.
type follower struct {
	client redis.UniversalClient
	stream string
	book   *ledger.Writer
	last   string
	seen   map[eventID]struct{} // what was read
	ends   atomic.Int64         // of jobs, told so far
	active atomic.Int64         // ms of the server's clock when a job began last
}

// eventID is the id of an entry of a stream, as small as it can be: a long storm
// has millions. An id that is no id is the zero one.
type eventID struct{ ms, seq uint64 }

func eventIDOf(text string) (id eventID) {
	ms, seq, _ := strings.Cut(text, "-")
	var msErr, seqErr error
	id.ms, msErr = strconv.ParseUint(ms, 10, 64)
	id.seq, seqErr = strconv.ParseUint(seq, 10, 64)
	if msErr != nil || seqErr != nil {
		return eventID{}
	}
	return id
}

// follow reads until ctx ends, through every outage.
func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if _, err := f.page(ctx, 500*time.Millisecond); err != nil {
			pause(ctx, 50*time.Millisecond)
		}
	}
}

// finish reads what is left, and says whether all of the stream was read when that
// can be told.
func (f *follower) finish(ctx context.Context, all bool) error {
	for {
		n, err := f.page(ctx, -1)
		if err != nil {
			return fmt.Errorf("read events to their end: %w", err)
		}
		if n == 0 {
			break
		}
	}
	if !all {
		return nil
	}
	return f.unread(ctx)
}

// unread looks for events that are in the stream and were not read. (The stream's
// own count of entries is no help: it can be ahead after a power cut.)
func (f *follower) unread(ctx context.Context) error {
	missing, first := 0, ""
	for from := "-"; ; {
		entries, err := f.client.XRangeN(ctx, f.stream, from, "+", 1000).Result()
		if err != nil {
			return fmt.Errorf("read events again: %w", err)
		}
		for _, m := range entries {
			if _, read := f.seen[eventIDOf(m.ID)]; !read {
				missing, first = missing+1, cmp.Or(first, m.ID)
			}
		}
		if len(entries) < 1000 {
			break
		}
		from = "(" + entries[len(entries)-1].ID
	}
	if missing > 0 {
		return fmt.Errorf("%d events were not read, the first is %s", missing, first)
	}
	return nil
}

func (f *follower) page(ctx context.Context, block time.Duration) (int, error) {
	streams, err := f.client.XRead(ctx, &redis.XReadArgs{Streams: []string{f.stream, f.last}, Count: 1000, Block: block}).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, m := range streams[0].Messages {
		f.tell(m)
	}
	return len(streams[0].Messages), nil
}

func (f *follower) tell(m redis.XMessage) {
	f.last = m.ID
	f.seen[eventIDOf(m.ID)] = struct{}{}
	name, _ := m.Values["event"].(string)
	switch name {
	case "active":
		f.active.Store(int64(eventIDOf(m.ID).ms))
	case "completed", "failed", "stalled", "delayed":
		if name == "completed" || name == "failed" {
			f.ends.Add(1)
		}
		id, _ := m.Values["jobId"].(string)
		reason, _ := m.Values["failedReason"].(string)
		f.book.Add(ledger.Entry{Kind: ledger.Event, ID: id, Word: name, Text: reason})
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
