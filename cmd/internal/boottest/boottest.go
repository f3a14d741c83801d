// Package boottest runs a program inside a test, as its main function would, and
// lets the test see its log, its addresses and its exit code.
package boottest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/cmd/internal/boot"
)

// patience bounds every wait for what must come.
const patience = 30 * time.Second

// Run is a program that was started.
type Run struct {
	tb     testing.TB
	cancel context.CancelCauseFunc
	ended  chan struct{}
	code   int // set when ended is closed
	out    buffer
}

// Start runs the program with these variables and no others, until Stop or the
// end of the test. Logs have to be JSON for Addr to read them.
func Start(tb testing.TB, p boot.Program, env map[string]string, args ...string) *Run {
	tb.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &Run{tb: tb, cancel: cancel, ended: make(chan struct{})}
	world := boot.Env{
		Args: args, Stdout: &r.out, Stderr: &r.out,
		Lookup: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
		Exit:   func(code int) { tb.Errorf("the process was ended with %d", code) },
	}
	go func() {
		defer close(r.ended)
		r.code = boot.Main(ctx, p, world)
	}()
	tb.Cleanup(func() {
		cancel(nil)
		<-r.ended
	})
	return r
}

// Output is what it has written, data and logs.
func (r *Run) Output() string { return r.out.String() }

// Code waits until it ends by itself, and returns the exit code.
func (r *Run) Code() int {
	r.tb.Helper()
	select {
	case <-r.ended:
		return r.code
	case <-time.After(patience):
		r.tb.Fatalf("the program does not end:\n%s", r.Output())
		return 0
	}
}

// Stop stops it as SIGTERM would, and wants it to end clean.
func (r *Run) Stop() {
	r.tb.Helper()
	r.cancel(boot.Stopped{Signal: os.Interrupt})
	if code := r.Code(); code != 0 {
		r.tb.Errorf("exit code %d:\n%s", code, r.Output())
	}
}

// Addr waits for the log's word on where a listener is: host:port.
func (r *Run) Addr(server string) (addr string) {
	r.tb.Helper()
	r.Await("the listener "+server, func() bool {
		for line := range strings.Lines(r.Output()) {
			var said struct{ Msg, Server, Addr string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" && said.Server == server {
				addr = said.Addr
				return true
			}
		}
		return false
	})
	return addr
}

// Await waits until done, and fails the test with the log when that does not come.
func (r *Run) Await(what string, done func() bool) {
	r.tb.Helper()
	look, late := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-late:
			r.tb.Fatalf("did not come: %s\n%s", what, r.Output())
		}
	}
}

// Status is the status of a GET.
func Status(tb testing.TB, url string) int {
	tb.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// buffer is where a program writes while a test reads.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
