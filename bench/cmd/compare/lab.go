package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

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

	facts      string // what the numbers depend on
	begun      time.Time
	waiting    []string // workloads whose turn has not come
	shortfalls []string // what the page has to say about what is missing
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
		begun:   time.Now(),
		log:     slog.New(slog.NewTextHandler(log, nil)),
		bullmq:  filepath.Join(root, "bench/node/bullmq.mjs"),
		modules: filepath.Join(root, "internal/jobs/interop/node/node_modules"),
	}
	if _, err := os.Stat(filepath.Join(l.modules, "bullmq/package.json")); err != nil {
		return nil, fmt.Errorf("bullmq is not installed (npm ci --prefix internal/jobs/interop/node): %w", err)
	}
	if l.facts, err = l.gatherFacts(); err != nil {
		return nil, err
	}
	return l, checkPage(o.write)
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
		return startChild(cpu, string(s), "", "node", l.bullmq, url, l.modules)
	case tally.Asynq:
		return startChild(cpu, string(s), oneProcessor, l.self, "asynq", url)
	default:
		return startChild(cpu, string(s), oneProcessor, l.self, "tandem", url)
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

// missing notes what the page has to say about a workload that is not there, or
// not as it should be.
func (l *lab) missing(id, what string) {
	l.shortfalls = append(l.shortfalls, fmt.Sprintf("`%s`: %s", id, what))
}

// firstLine is an error as the page tells it: short, and without this machine's
// folders.
func (l *lab) firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	for _, dir := range []string{l.root, os.TempDir()} {
		line = strings.ReplaceAll(line, dir, "…")
	}
	return line
}
