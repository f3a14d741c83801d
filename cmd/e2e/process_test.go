package e2e_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for what must come: longer than the slowest machine
// needs. It is no measure of speed.
const patience = 30 * time.Second

// process is a binary that was started.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	stdout transcript
	stderr transcript
	exited chan struct{} // closed when it has ended and was reaped
}

// launch starts a binary with these variables and no others of ours. What it
// logged is shown when the test fails.
func launch(t *testing.T, binary string, env map[string]string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: binary, exited: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(binDir, binary), args...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = environment(env)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = diesWithParent()
	if err := p.start(); err != nil {
		t.Fatalf("start %s: %v", binary, err)
	}
	t.Cleanup(p.finish)
	return p
}

func environment(own map[string]string) []string {
	all := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "TMPDIR=" + os.TempDir()}
	for name, value := range own {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return all
}

// start keeps the thread that starts the process until it has ended: the kernel
// takes the end of that thread for the end of the parent.
func (p *process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // the exit code is in ProcessState; a signal is no failure here
			close(p.exited)
		}
	}()
	return <-started
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
}

// kill ends it at once, as the end of its machine would.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// code waits for the process to end by itself and returns its exit code.
func (p *process) code() int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("%s does not end", p.name)
		return 0
	}
}

// stop ends it as an operator would, and wants it to have ended well.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != 0 {
		p.t.Errorf("%s ended with code %d after SIGTERM", p.name, code)
	}
}

// running reports whether it has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) finish() {
	p.kill()
	log := p.stderr.String()
	if strings.Contains(log, "WARNING: DATA RACE") {
		p.t.Errorf("%s has a data race", p.name)
	}
	if p.t.Failed() {
		p.t.Logf("log of %s (%d):\n%s", p.name, p.cmd.Process.Pid, ending(log, 60))
	}
}

// ending is the last lines of a text.
func ending(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// transcript keeps what a process writes.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *transcript) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// eventually waits until done, and fails the test when that does not come.
func eventually(t *testing.T, what string, done func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !done() {
		if time.Since(began) > patience {
			t.Fatalf("did not come within %s: %s", patience, what)
		}
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatalf("did not come before the test ended: %s", what)
		}
	}
	return time.Since(began)
}
