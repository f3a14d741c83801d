package interop_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// asWorker, set in the environment to a childSpec in JSON, makes this test binary
// a worker. It tells on standard output what it does, and ends with its input.
const asWorker = "INTEROP_WORKER"

type childSpec struct {
	URL, Prefix, Queue, Name string
	Concurrency              int
	Lock, Sweep              time.Duration
}

// workerProcess is a Go worker in a process of its own, which a test may kill.
type workerProcess struct {
	*process
	t testing.TB

	mu      sync.Mutex // guards the fields below
	lines   []string
	changed chan struct{} // closed and replaced with each line
}

func (r *room) goProcess(spec childSpec) *workerProcess {
	r.Helper()
	spec.URL, spec.Prefix, spec.Queue = r.server.URL, r.prefix, r.queue
	c, err := startChild(r.T, spec)
	must(r, err)
	return c
}

func startChild(t testing.TB, spec childSpec) (*workerProcess, error) {
	c := &workerProcess{t: t, changed: make(chan struct{})}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asWorker+"="+string(text))
	if c.process, err = launch(cmd, c.hear); err != nil {
		return nil, err
	}
	t.Cleanup(c.kill)
	return c, nil
}

func (c *workerProcess) hear(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(line[:len(line)-1]))
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until the process has said this.
func (c *workerProcess) await(line string) {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		said, changed := slices.Contains(c.lines, line), c.changed
		c.mu.Unlock()
		if said {
			return
		}
		select {
		case <-changed:
		case <-c.exited:
			c.t.Fatalf("worker process ended before it said %q; it said %q", line, c.lines)
		case <-deadline:
			c.t.Fatalf("worker process has not said %q; it said %q", line, c.lines)
		}
	}
}

// runChild is the process. It is killed, or ends when its input does.
func runChild(text string) {
	if err := work(text); err != nil {
		fmt.Fprintln(os.Stderr, "worker process:", err)
		os.Exit(1)
	}
}

func work(text string) error {
	var spec childSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	conn, err := redisconn.Open(redisconn.Options{URL: spec.URL})
	if err != nil {
		return err
	}
	defer conn.Close()
	h := newHolder()
	h.holding = func(id string) { fmt.Println("holding", id) }
	pool, err := worker.New(conn, spec.Queue, behaviours(h), worker.Options{
		Prefix: spec.Prefix, Name: spec.Name, Concurrency: spec.Concurrency,
		LockDuration: spec.Lock, SweepInterval: spec.Sweep, KeepCompleted: &jobs.Retention{},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	if err := pool.Start(); err != nil {
		return err
	}
	fmt.Println("ready")
	var b [1]byte
	for {
		if _, err := os.Stdin.Read(b[:]); err != nil {
			break // our parent is gone
		}
	}
	pool.Stop()
	return pool.WaitForCompletion(spec.Lock)
}
