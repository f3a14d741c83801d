package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

// smallBacklog is the queue that a big one is held against.
const smallBacklog = 10

// backlog measures what an add and a drained job cost Redis in a queue that
// holds few jobs and in one that holds many. It is Tandem against itself.
func (l *lab) backlog(ctx context.Context, kind work.Backlog) (err error) {
	s, err := l.server(ctx, server.Off)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	c, err := l.peer(tally.Tandem, s.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	b := backlogged{lab: l, server: s, child: c, kind: kind, jobs: l.options.scaled(4_000)}
	if err := b.small(ctx); err != nil {
		return fmt.Errorf("few jobs: %w", err)
	}
	if err := b.big(ctx); err != nil {
		return fmt.Errorf("many jobs: %w", err)
	}
	return nil
}

type backlogged struct {
	lab    *lab
	server *server.Server
	child  *child
	kind   work.Backlog
	jobs   int // measured in a round
}

// small begins each round anew, since a round may leave jobs behind.
func (b *backlogged) small(ctx context.Context) error {
	for n := range b.lab.options.rounds + 1 {
		if err := b.refill(ctx, smallBacklog); err != nil {
			return err
		}
		if err := b.round(ctx, idOf("small", n)); err != nil {
			return err
		}
	}
	return nil
}

func (b *backlogged) big(ctx context.Context) error {
	if err := b.refill(ctx, b.lab.options.backlog); err != nil {
		return err
	}
	for n := range b.lab.options.rounds + 1 {
		if err := b.round(ctx, idOf("big", n)); err != nil {
			return err
		}
	}
	return nil
}

// idOf is "" for the first round, which is for warming up.
func idOf(size string, round int) string {
	if round == 0 {
		return ""
	}
	return size
}

func (b *backlogged) refill(ctx context.Context, n int) error {
	if err := b.server.Flush(ctx); err != nil {
		return err
	}
	return b.fill(ctx, b.kind, n)
}

// round adds jobs to the backlog and takes as many. Of delayed ones none is due,
// so others are taken that stand beside them.
func (b *backlogged) round(ctx context.Context, size string) error {
	if err := b.note(ctx, size, "add", work.Work{Kind: work.Add, Jobs: b.jobs, Producers: 1, Backlog: b.kind}); err != nil {
		return err
	}
	if b.kind == work.Delayed {
		if err := b.fill(ctx, "", b.jobs); err != nil {
			return err
		}
	}
	return b.note(ctx, size, "drain", work.Work{Kind: work.Sip, Jobs: b.jobs, Concurrency: 10})
}

func (b *backlogged) fill(ctx context.Context, kind work.Backlog, n int) error {
	_, _, err := measure(ctx, b.child, b.server, work.Work{Kind: work.Fill, Queue: "bench", Jobs: n, Backlog: kind})
	return err
}

func (b *backlogged) note(ctx context.Context, size, what string, w work.Work) error {
	w.Queue = "bench"
	result, usage, err := measure(ctx, b.child, b.server, w)
	if err == nil && size != "" {
		b.lab.tally.Add("backlog/"+string(b.kind)+"/"+size+"/"+what, tally.Tandem, sample(result, usage))
	}
	return err
}
