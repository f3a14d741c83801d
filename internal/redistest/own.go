package redistest

import (
	"context"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Options of a server of one's own. The zero value keeps everything in memory.
type Options struct {
	Config []string // lines of redis.conf: "appendonly yes"
	Port   int      // 0 takes a free one
	Host   string   // the address it listens on; "" is 127.0.0.1
	Dir    string   // where it keeps its files; "" is a directory of the test's own

	// Env is added to the server's environment: "LD_PRELOAD=/tmp/x.so".
	Env []string
	// Through is a command that runs redis-server in its own place, and gets its
	// words behind its own: "ip", "netns", "exec", "other".
	Through []string
}

// Instance is a redis-server that belongs to one test, which may do with it what
// happens to servers. Its methods fail the test when they cannot do their work.
type Instance struct {
	*Server

	tb       testing.TB
	settings settings

	mu      sync.Mutex // guards the field below
	process *process
}

// Own starts a redis-server for this test alone. The test is skipped where there
// is none to start, or fails when that is forbidden.
func Own(tb testing.TB, o Options) *Instance {
	tb.Helper()
	needBinary(tb)
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	return own(tb, settings{
		host: o.Host, port: o.Port, dir: o.Dir, lines: o.Config, env: o.Env, through: o.Through,
	})
}

func own(tb testing.TB, s settings) *Instance {
	tb.Helper()
	if s.port == 0 {
		s.port = lasting(tb)
	}
	if slices.Contains(s.lines, clusterEnabled) && busPort(s.lines) == "" {
		s.lines = append(slices.Clip(s.lines), clusterPort+strconv.Itoa(lasting(tb)))
	}
	i := &Instance{tb: tb, settings: s}
	i.start()
	tb.Cleanup(i.finish)
	i.Server = newServer(i.process.addr(), true)
	return i
}

func needBinary(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if strict() {
		tb.Fatal("redistest: no redis-server on PATH, and REDISTEST_STRICT=1 forbids skipping")
	}
	tb.Skip("redistest: skipped, this needs a redis-server on PATH that it can kill and restart")
}

// Kill ends the server at once, without a chance to save or to say goodbye.
func (i *Instance) Kill() { i.do("kill", (*process).kill) }

// Stop ends the server in good order.
func (i *Instance) Stop() { i.do("stop", (*process).stop) }

// Pause freezes the server: connections stay open and nothing answers.
func (i *Instance) Pause() { i.do("pause", signal(syscall.SIGSTOP)) }

// Resume ends Pause.
func (i *Instance) Resume() { i.do("resume", signal(syscall.SIGCONT)) }

// Restart starts the server again on the same port, with the same files, after
// Kill or Stop. A server that still runs is stopped first.
func (i *Instance) Restart() {
	i.tb.Helper()
	i.Stop()
	i.start()
}

// Dir is where the server keeps its files.
func (i *Instance) Dir() string { return i.settings.dir }

// Exited is closed when the current process has ended, of itself or by force.
func (i *Instance) Exited() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process.exited
}

// Log is the end of what the current process has written.
func (i *Instance) Log() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process.log.text()
}

func signal(s syscall.Signal) func(*process) error {
	return func(p *process) error { return p.signal(s) }
}

func (i *Instance) do(what string, f func(*process) error) {
	i.tb.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := f(i.process); err != nil {
		i.tb.Errorf("redistest: %s server: %v", what, err)
	}
}

func (i *Instance) start() {
	i.tb.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := launch(ctx, i.settings)
	if err != nil {
		i.tb.Fatalf("redistest: %v", err)
	}
	i.process = p
}

// finish ends the server with its test and shows its log if the test failed.
func (i *Instance) finish() {
	i.Kill()
	if i.tb.Failed() {
		i.tb.Logf("redistest: log of the server on %s:\n%s", i.Addr, i.Log())
	}
}
