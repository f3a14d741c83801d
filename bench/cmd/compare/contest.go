package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

// contest is one plan under way: its systems take turns on one server that is
// emptied in between. A system that fails is out, and the others go on.
type contest struct {
	lab      *lab
	server   *server.Server
	plan     plan
	peers    map[tally.System]*child // those that are in
	failures []error
}

// compare runs a plan on each of its systems in turn, round by round. Who is
// first changes from round to round.
func (l *lab) compare(ctx context.Context, p plan, rounds int) (err error) {
	s, err := l.server(ctx, p.fsync)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	c := &contest{lab: l, server: s, plan: p, peers: map[tally.System]*child{}}
	for _, system := range p.systems {
		c.enter(ctx, system)
	}
	for round := range rounds {
		for i := range p.systems {
			c.turn(ctx, p.systems[(round+i)%len(p.systems)], round)
		}
	}
	return c.close()
}

// enter starts a system and warms it up.
func (c *contest) enter(ctx context.Context, system tally.System) {
	peer, err := c.lab.peer(system, c.server.URL)
	if err != nil {
		c.failures = append(c.failures, fmt.Errorf("%s: %w", system, err))
		return
	}
	c.peers[system] = peer
	for range c.warmUps(system) {
		if _, err := c.sample(ctx, peer, warming(c.plan.work)); err != nil {
			c.drop(system, fmt.Errorf("warming up: %w", err))
			return
		}
	}
}

// warmUps is how often a system does a work before it counts. The Go programs
// are compiled, and need it for connections, scripts and the size of their heap.
// Node compiles what runs often: what a job costs it falls for some ten thousand
// jobs, to a half.
func (c *contest) warmUps(system tally.System) int {
	if system == tally.BullMQ && !c.lab.options.quick {
		return 3
	}
	return 1
}

// warming is the work itself, or less of it where it goes by the clock.
func warming(w work.Work) work.Work {
	switch w.Kind {
	case work.Pickup, work.Idle:
		w.Seconds = min(w.Seconds, 3)
	case work.Due:
		w.Jobs, w.Seconds = min(w.Jobs, 2_000), min(w.Seconds, 1)
	}
	return w
}

// turn is a round of one system, if it is still in.
func (c *contest) turn(ctx context.Context, system tally.System, round int) {
	peer, in := c.peers[system]
	if !in {
		return
	}
	s, err := c.sample(ctx, peer, c.plan.work)
	if err != nil {
		c.drop(system, fmt.Errorf("round %d: %w", round+1, err))
		return
	}
	c.lab.tally.Add(c.plan.id, system, s)
}

func (c *contest) sample(ctx context.Context, peer *child, w work.Work) (tally.Sample, error) {
	if err := c.server.Flush(ctx); err != nil {
		return nil, err
	}
	result, usage, err := measure(ctx, peer, c.server, w)
	return sample(result, usage), err
}

// drop ends a system that failed.
func (c *contest) drop(system tally.System, why error) {
	c.peers[system].kill()
	delete(c.peers, system)
	c.failures = append(c.failures, why)
}

// close ends the systems that are left, and tells what failed.
func (c *contest) close() error {
	for _, peer := range c.peers {
		c.failures = append(c.failures, peer.close())
	}
	return errors.Join(c.failures...)
}
