package handlers

import (
	"context"
	"time"
)

// countsReader reads the counts of one queue for everybody who asks: once in a
// while, one at a time, and with errors remembered like answers, so that no
// traffic of ours is a burden to a Redis that is in trouble.
type countsReader struct {
	read  func(ctx context.Context) (Counts, error)
	every time.Duration
	limit time.Duration // for one read
	now   func() time.Time

	turn   chan struct{} // holds a token while somebody reads or looks
	at     time.Time
	counts Counts
	err    error
}

func (a *API) newCountsReader(q Finder) *countsReader {
	return &countsReader{
		read: q.Counts, every: a.o.CountsEvery, limit: a.o.Deadline, now: a.o.Now,
		turn: make(chan struct{}, 1),
	}
}

// get returns counts that are at most every old.
func (c *countsReader) get(ctx context.Context) (Counts, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return Counts{}, ctx.Err()
	}
	if c.at.IsZero() || c.now().Sub(c.at) >= c.every {
		// The read is for all who wait, so it does not end with the one who began it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit)
		defer cancel()
		c.counts, c.err = c.read(ctx)
		c.at = c.now()
	}
	return c.counts, c.err
}
