// Package server runs the redis-server that everybody is measured on, and reads
// what it has spent. The server is a process of ours on a free port, with its
// files in a folder of its own, and it ends with us.
package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Fsync is when an acknowledged write is on disk.
type Fsync string

// The settings of appendfsync; Off keeps no log at all.
const (
	Off      Fsync = ""
	EverySec Fsync = "everysec"
	Always   Fsync = "always"
)

// Options of a server.
type Options struct {
	Fsync Fsync
	CPU   string // cores to run on, as taskset names them; "" is any
}

// Server is a running redis-server.
type Server struct {
	URL    string
	client *redis.Client
	cmd    *exec.Cmd
	dir    string
}

// Lines are what the configuration says beside port and directory, the same for
// every system. The second is what we ship, since it halves the memory of a job;
// the third keeps the server from rewriting its log in the middle of a round.
func Lines(f Fsync) []string {
	lines := []string{`save ""`, "hash-max-listpack-value 1024", "auto-aof-rewrite-percentage 0", "bind 127.0.0.1"}
	if f == Off {
		return append(lines, "appendonly no")
	}
	return append(lines, "appendonly yes", "appendfsync "+string(f))
}

// Start returns when the server accepts connections.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := os.MkdirTemp("", "bench-redis-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.launch(ctx, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) launch(ctx context.Context, o Options) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	lines := append(Lines(o.Fsync), "port "+strconv.Itoa(port), "dir "+strconv.Quote(s.dir), `logfile ""`)
	s.cmd = Command(o.CPU, "redis-server", "-")
	s.cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	output, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return fmt.Errorf("start redis-server: %w", err)
	}
	if err := awaitReady(output); err != nil {
		return err
	}
	s.URL = "redis://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.client = redis.NewClient(&redis.Options{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Protocol: 2, DisableIdentity: true, PoolSize: 1, ReadTimeout: time.Minute})
	return s.client.Ping(ctx).Err()
}

// Command is a process that ends with this one, on the cores that cpu names.
func Command(cpu, name string, args ...string) *exec.Cmd {
	if cpu != "" {
		name, args = "taskset", append([]string{"-c", cpu, name}, args...)
	}
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// awaitReady reads the log until the server says that it is ready, and goes on
// reading it until the server ends, so that it never waits for a reader.
func awaitReady(output io.Reader) error {
	log := bufio.NewScanner(output)
	var said []string
	for log.Scan() {
		said = append(said, log.Text())
		if strings.Contains(log.Text(), "Ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, output) }() // ends with the server
			return nil
		}
	}
	return fmt.Errorf("redis-server ended at once:\n%s", strings.Join(said, "\n"))
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Flush empties the server.
func (s *Server) Flush(ctx context.Context) error { return s.client.FlushAll(ctx).Err() }

// Stop ends the server and removes its files.
func (s *Server) Stop() error {
	var failures []error
	if s.client != nil {
		failures = append(failures, s.client.Close())
	}
	if s.cmd != nil {
		failures = append(failures, s.cmd.Process.Kill())
		_ = s.cmd.Wait() // it was killed: how it ended is known
	}
	return errors.Join(append(failures, os.RemoveAll(s.dir))...)
}
