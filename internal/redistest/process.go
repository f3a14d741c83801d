package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// settings say what a redis-server process is started with.
type settings struct {
	host     string // "" is 127.0.0.1
	port     int    // 0 takes a free one
	dir      string // where it keeps its files
	lines    []string
	env      []string
	through  []string
	sentinel bool
}

// address is where the server listens.
func (s settings) address() string {
	if s.host == "" {
		return "127.0.0.1"
	}
	return s.host
}

// process is a running redis-server.
type process struct {
	host   string
	port   int
	cmd    *exec.Cmd
	ready  chan struct{} // closed when it accepts connections
	exited chan struct{} // closed when it has ended and was reaped
	log    tail
}

func (p *process) addr() string { return net.JoinHostPort(p.host, strconv.Itoa(p.port)) }

// launch starts redis-server and returns when it accepts connections. A free
// port can be taken by somebody else before the server has it, so it tries more
// than one.
func launch(ctx context.Context, s settings) (*process, error) {
	const attempts = 5
	var failed error
	for range attempts {
		port := s.port
		if port == 0 {
			port = freePort()
		}
		p, err := try(ctx, port, s)
		if err == nil {
			return p, nil
		}
		failed = err
		if s.port != 0 || ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

func try(ctx context.Context, port int, s settings) (*process, error) {
	p := &process{host: s.address(), port: port, ready: make(chan struct{}), exited: make(chan struct{})}
	cmd, err := command(port, s)
	if err != nil {
		return nil, err
	}
	p.cmd = cmd
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.start(output); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	select {
	case <-p.ready:
		return p, nil
	case <-p.exited:
		return nil, fmt.Errorf("redis-server on port %d ended at once:\n%s", port, p.log.text())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("redis-server on port %d is not ready: %w", port, ctx.Err()), p.kill())
	}
}

// command is how the server is started.
func command(port int, s settings) (*exec.Cmd, error) {
	words := append(slices.Clone(s.through), "redis-server", "-")
	if s.sentinel {
		file, err := sentinelFile(port, s)
		if err != nil {
			return nil, err
		}
		words = append(slices.Clone(s.through), "redis-server", file, "--sentinel")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(configuration(port, s))
	cmd.SysProcAttr = diesWithParent()
	if len(s.env) > 0 {
		cmd.Env = append(os.Environ(), s.env...)
	}
	return cmd, nil
}

// configuration is what redis-server reads from its standard input. The lines of
// the caller come last and win.
func configuration(port int, s settings) string {
	lines := []string{
		"bind " + s.address(),
		"port " + strconv.Itoa(port),
		"dir " + strconv.Quote(s.dir),
		`save ""`,
		"appendonly no",
		"daemonize no",
		`logfile ""`,
	}
	return strings.Join(append(lines, s.lines...), "\n") + "\n"
}

// start runs the command from a goroutine that keeps its thread until the
// process has ended: the kernel kills the process when the thread that started
// it goes away, which must not happen before.
func (p *process) start(output io.Reader) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.follow(output)
		_ = p.cmd.Wait() // an exit by signal is the usual end here, not a failure
		close(p.exited)
	}()
	return <-started
}

// follow reads the log until the process closes it.
func (p *process) follow(output io.Reader) {
	lines := bufio.NewScanner(output)
	for said := false; lines.Scan(); {
		p.log.add(lines.Text())
		if !said && ready(lines.Text()) {
			said = true
			close(p.ready)
		}
	}
}

// ready reports whether a line of the log says that the server serves.
func ready(line string) bool {
	return strings.Contains(line, "Ready to accept connections") || strings.Contains(line, "Sentinel ID is")
}

// kill ends the process at once, as a power cut would.
func (p *process) kill() error { return p.end(syscall.SIGKILL) }

// stop ends it as an operator would: it saves what it is configured to save. A
// paused process has to wake up for that.
func (p *process) stop() error {
	if err := p.signal(syscall.SIGCONT); err != nil {
		return err
	}
	return p.end(syscall.SIGTERM)
}

func (p *process) end(with syscall.Signal) error {
	if err := p.signal(with); err != nil {
		return err
	}
	<-p.exited
	return nil
}

// signal is no error when the process has already ended.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal redis-server: %w", err)
	}
	return nil
}

// tail keeps the last lines of a log.
type tail struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (t *tail) add(line string) {
	const most = 40
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > most {
		t.lines = slices.Delete(t.lines, 0, len(t.lines)-most)
	}
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
