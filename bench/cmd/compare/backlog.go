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
// holds few jobs and in one that holds many. It is Tandem against itself. The two
// queues have servers of their own and take turns; the long one is filled once.
func (l *lab) backlog(ctx context.Context, kind work.Backlog, rounds int) (err error) {
	small, err := l.newStand(ctx, kind, "small", smallBacklog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, small.close()) }()
	big, err := l.newStand(ctx, kind, "big", l.options.backlog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, big.close()) }()
	if err := big.refill(ctx); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	for n := range rounds + 1 {
		if err := small.refill(ctx); err != nil { // a round may leave jobs behind
			return err
		}
		for _, s := range []*stand{small, big} {
			s.warm = n > 0
			if err := s.round(ctx); err != nil {
				return fmt.Errorf("%s, round %d: %w", s.size, n, err)
			}
		}
	}
	return nil
}

// stand is a queue with a backlog, and the process that works on it.
type stand struct {
	lab    *lab
	server *server.Server
	child  *child
	kind   work.Backlog
	size   string // as the tables name it
	filled int    // jobs of the backlog
	jobs   int    // measured in a round
	warm   bool   // rounds count
}

func (l *lab) newStand(ctx context.Context, kind work.Backlog, size string, filled int) (*stand, error) {
	s, err := l.server(ctx, server.Off)
	if err != nil {
		return nil, err
	}
	c, err := l.peer(tally.Tandem, s.URL)
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return &stand{lab: l, server: s, child: c, kind: kind, size: size, filled: filled, jobs: l.options.scaled(8_000)}, nil
}

func (s *stand) close() error { return errors.Join(s.child.close(), s.server.Stop()) }

func (s *stand) refill(ctx context.Context) error {
	if err := s.server.Flush(ctx); err != nil {
		return err
	}
	return s.fill(ctx, s.kind, s.filled)
}

// round adds jobs to the backlog and takes as many. Of delayed ones none is due,
// so others are taken that stand beside them.
func (s *stand) round(ctx context.Context) error {
	if err := s.note(ctx, "add", work.Work{Kind: work.Add, Jobs: s.jobs, Producers: 1, Backlog: s.kind}); err != nil {
		return err
	}
	if s.kind == work.Delayed {
		if err := s.fill(ctx, "", s.jobs); err != nil {
			return err
		}
	}
	return s.note(ctx, "drain", work.Work{Kind: work.Sip, Jobs: s.jobs, Concurrency: 10})
}

func (s *stand) fill(ctx context.Context, kind work.Backlog, n int) error {
	_, _, err := measure(ctx, s.child, s.server, work.Work{Kind: work.Fill, Queue: "bench", Jobs: n, Backlog: kind})
	return err
}

func (s *stand) note(ctx context.Context, what string, w work.Work) error {
	w.Queue = "bench"
	result, usage, err := measure(ctx, s.child, s.server, w)
	if err == nil && s.warm {
		s.lab.tally.Add("backlog/"+string(s.kind)+"/"+s.size+"/"+what, tally.Tandem, sample(result, usage))
	}
	return err
}
