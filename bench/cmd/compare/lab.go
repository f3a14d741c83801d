package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

// lab is where everything is measured, and what has been so far.
type lab struct {
	options options
	tally   *tally.Tally
	log     *slog.Logger
	self    string // this program, for children
	root    string // of the product's module
	bullmq  string // node/bullmq.mjs
	modules string // node_modules with bullmq
}

func newLab(o options, log io.Writer) (*lab, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return nil, err
	}
	l := &lab{
		options: o, tally: &tally.Tally{}, self: self, root: root,
		log:     slog.New(slog.NewTextHandler(log, nil)),
		bullmq:  filepath.Join(root, "bench/node/bullmq.mjs"),
		modules: filepath.Join(root, "internal/jobs/interop/node/node_modules"),
	}
	if _, err := os.Stat(filepath.Join(l.modules, "bullmq/package.json")); err != nil {
		return nil, fmt.Errorf("bullmq is not installed (npm ci --prefix internal/jobs/interop/node): %w", err)
	}
	return l, nil
}

// cpus are the cores for the server and for the others, when they are apart.
func (l *lab) cpus() (serverCPU, othersCPU string) {
	if l.options.pin {
		return "0", "1"
	}
	return "", ""
}

func (l *lab) server(ctx context.Context, f server.Fsync) (*server.Server, error) {
	cpu, _ := l.cpus()
	return server.Start(ctx, server.Options{Fsync: f, CPU: cpu})
}

// peer starts the process of a system.
func (l *lab) peer(s tally.System, url string) (*child, error) {
	_, cpu := l.cpus()
	switch s {
	case tally.BullMQ:
		return startChild(cpu, string(s), "node", l.bullmq, url, l.modules)
	case tally.Asynq:
		return startChild(cpu, string(s), l.self, "asynq", url)
	default:
		return startChild(cpu, string(s), l.self, "tandem", url)
	}
}

// measure has a child do one work, and asks the server before and after.
func measure(ctx context.Context, c *child, s *server.Server, w work.Work) (work.Result, server.Usage, error) {
	if err := c.prepare(ctx, w); err != nil {
		return work.Result{}, server.Usage{}, err
	}
	before, err := s.Usage(ctx)
	if err != nil {
		return work.Result{}, server.Usage{}, err
	}
	result, err := c.run(ctx)
	if err != nil {
		return result, server.Usage{}, err
	}
	after, err := s.Usage(ctx)
	if err != nil {
		return result, server.Usage{}, err
	}
	return result, after.Since(before), c.end(ctx)
}

// sample is what a measurement says, per job.
func sample(r work.Result, u server.Usage) tally.Sample {
	s := tally.Sample{tally.RSS: r.RSSBytes / (1 << 20), tally.PerSecond: u.Commands / r.Seconds}
	if r.Jobs > 0 {
		n := float64(r.Jobs)
		s[tally.Rate] = n / r.Seconds
		s[tally.RedisMicros] = u.CPUMicros / n
		s[tally.Commands] = u.Commands / n
		s[tally.Scripts] = u.Scripts / n
		s[tally.ClientMicros] = r.CPUMicros / n
		s[tally.MemoryPerJob] = u.Memory / n
	}
	if r.P99Ms > 0 {
		s[tally.P50], s[tally.P99] = r.P50Ms, r.P99Ms
		s[tally.Earliest], s[tally.Last] = r.EarliestMs, r.LastMs
	}
	return s
}

// compare runs a plan on each of its systems in turn, round by round, on one
// server that is emptied in between. Who is first changes from round to round.
func (l *lab) compare(ctx context.Context, p plan) (err error) {
	s, err := l.server(ctx, p.fsync)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	peers := map[tally.System]*child{}
	defer func() {
		for _, c := range peers {
			err = errors.Join(err, c.close())
		}
	}()
	for _, system := range p.systems {
		if peers[system], err = l.peer(system, s.URL); err != nil {
			delete(peers, system)
			return err
		}
		if err := l.warmUp(ctx, peers[system], s, p); err != nil {
			return err
		}
	}
	return l.rounds(ctx, s, peers, p)
}

// warmUp runs a small work of the same kind, so that nobody is measured while
// connecting, compiling or loading scripts.
func (l *lab) warmUp(ctx context.Context, c *child, s *server.Server, p plan) error {
	w := p.work
	w.Jobs, w.Seconds = min(w.Jobs, 500), min(w.Seconds, 1)
	_, _, err := measure(ctx, c, s, w)
	return err
}

func (l *lab) rounds(ctx context.Context, s *server.Server, peers map[tally.System]*child, p plan) error {
	for round := range p.rounds {
		for i := range p.systems {
			system := p.systems[(round+i)%len(p.systems)]
			if err := s.Flush(ctx); err != nil {
				return err
			}
			result, usage, err := measure(ctx, peers[system], s, p.work)
			if err != nil {
				return fmt.Errorf("round %d: %w", round+1, err)
			}
			l.tally.Add(p.id, system, sample(result, usage))
		}
	}
	return nil
}
