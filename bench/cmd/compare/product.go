package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/web"
	"github.com/tandemq/tandem/internal/mailcatch"
)

// product is the binaries, built as they are shipped, and what they stand on. It
// runs in development mode, since production refuses a Redis that keeps no log,
// and that is what the others are measured on; keys are asked for all the same.
type product struct {
	cpu      string
	dir      string // binaries, data and logs
	redis    string // URL
	mails    *mailcatch.Catcher
	stop     context.CancelFunc
	caught   chan error // how the catcher ended
	services []*service
	self     string
}

// memoryLimits are the GOMEMLIMIT of the pods that we ship. GOGC is Go's own
// there, and so it is here.
func memoryLimits() map[string]string { return map[string]string{"api": "460MiB", "worker": "920MiB"} }

// service is a process that answers HTTP.
type service struct {
	name string
	addr string // host:port
	cmd  *exec.Cmd
}

func (s *service) pid() int { return s.cmd.Process.Pid }

func (l *lab) buildProduct(ctx context.Context, s *server.Server) (*product, error) {
	dir, err := os.MkdirTemp("", "bench-product-")
	if err != nil {
		return nil, err
	}
	_, cpu := l.cpus()
	p := &product{cpu: cpu, dir: dir, redis: s.URL, self: l.self}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", dir+"/", "./cmd/api", "./cmd/worker")
	build.Dir = l.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build the product: %w\n%s", err, output), p.close())
	}
	if err := p.catchMails(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *product) catchMails() (err error) {
	if p.mails, err = mailcatch.Listen(mailcatch.Options{Keep: 10_000}); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.caught = stop, make(chan error, 1)
	go func() { p.caught <- p.mails.Run(ctx) }()
	return nil
}

// delivered waits for so many mails.
func (p *product) delivered(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := p.mails.Wait(ctx, n)
	return err
}

// api starts the api.
func (p *product) api(ctx context.Context) (*service, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s, err := p.start(ctx, "api", "HOST="+host, "PORT="+port, "API_KEYS=bench:"+web.Key, "RATE_LIMIT=off")
	if err != nil {
		return nil, err
	}
	s.addr = addr
	return s, nil
}

// worker starts the worker.
func (p *product) worker(ctx context.Context) (*service, error) {
	return p.start(ctx, "worker", "SMTP_URL=smtp://"+p.mails.Addr()+"?tls=none")
}

// bare starts the least server.
func (p *product) bare(ctx context.Context) (*service, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s, err := p.launch("bare", server.Command(p.cpu, p.self, "bare", addr))
	if err != nil {
		return nil, err
	}
	s.addr = addr
	return s, awaitAnswer(ctx, "http://"+addr+"/", http.StatusNotFound)
}

// start runs one of the binaries and waits until it is ready.
func (p *product) start(ctx context.Context, name string, env ...string) (*service, error) {
	ops, err := freeAddr()
	if err != nil {
		return nil, err
	}
	cmd := server.Command(p.cpu, filepath.Join(p.dir, name))
	cmd.Env = append([]string{
		"APP_ENV=development", "DATA_DIR=" + filepath.Join(p.dir, "data"), "REDIS_URL=" + p.redis, "OPS_ADDR=" + ops,
		"LOG_FORMAT=json", "LOG_LEVEL=info", "GOMEMLIMIT=" + memoryLimits()[name],
	}, env...)
	s, err := p.launch(name, cmd)
	if err != nil {
		return nil, err
	}
	return s, awaitAnswer(ctx, "http://"+ops+"/readyz", http.StatusOK)
}

// launch starts a process that logs into a file.
func (p *product) launch(name string, cmd *exec.Cmd) (*service, error) {
	log, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s := &service{name: name, cmd: cmd}
	p.services = append(p.services, s)
	return s, nil
}

func awaitAnswer(ctx context.Context, url string, status int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, err := get(ctx, url)
		if got == status {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s answers %d, not %d: %w", url, got, status, errors.Join(ctx.Err(), err))
		}
	}
}

func get(ctx context.Context, url string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// close ends the processes and removes the files.
func (p *product) close() error {
	var failures []error
	for _, s := range p.services {
		failures = append(failures, s.cmd.Process.Kill())
		_ = s.cmd.Wait() // it was killed: how it ended is known
	}
	if p.stop != nil {
		p.stop()
		failures = append(failures, <-p.caught)
	}
	return errors.Join(append(failures, os.RemoveAll(p.dir))...)
}
