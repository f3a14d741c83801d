package storm

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/ledger"
)

// slot is where one process runs, behind a proxy of its own, and is started
// again whenever it ends.
type slot struct {
	site  *Site
	role  string              // for people
	proxy *redistest.TCPProxy // nil where the ground has no single server
	// next is the command line of the next process; nil when there is none.
	next func(url string) []string
	// done is told of a process that came to its end by itself, or when asked to.
	done func()

	mu      sync.Mutex // guards the fields below
	current *process
	ended   bool
}

func newSlot(s *Site, role string, next func(url string) []string) *slot {
	k := &slot{site: s, role: role, next: next}
	if s.Server != nil {
		k.proxy = redistest.Proxy(s.tb, s.Server.Instance.Server)
		k.proxy.OnRequest(k.decide)
	}
	return k
}

// url is where the slot's processes find the server; "" where the ground says it.
func (k *slot) url() string {
	if k.proxy == nil {
		return ""
	}
	return k.proxy.URL
}

// keep runs one process after the other until the slot is to end.
func (k *slot) keep() {
	for {
		p := k.start()
		if p == nil {
			return
		}
		<-p.exited
		k.bury(p)
	}
}

// start returns nil when there is nothing more to run.
func (k *slot) start() *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return nil
	}
	line := k.next(k.url())
	if line == nil {
		return nil
	}
	p, err := launch(line[0], line[1:]...)
	if err != nil {
		k.site.problem("%s: %v", k.role, err)
		return nil
	}
	k.current = p
	return p
}

// bury writes down how a process ended. One that ended by itself with an error
// has found something that no fault explains.
func (k *slot) bury(p *process) {
	switch {
	case p.killed():
		k.site.book.Add(ledger.Entry{Kind: ledger.Process, Pid: p.pid(), Text: k.role, Word: "gone"})
	case p.err != nil:
		k.site.problem("%s ended with %v:\n%s", k.role, p.err, &p.output)
	case k.done != nil:
		k.done()
	}
}

// signal sends a signal to the process that runs now.
func (k *slot) signal(s syscall.Signal) error {
	k.mu.Lock()
	p := k.current
	k.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.signal(s)
}

// end stops the process in good order and starts no other.
func (k *slot) end() error {
	k.mu.Lock()
	k.ended = true
	k.mu.Unlock()
	if err := k.signal(syscall.SIGCONT); err != nil {
		return err
	}
	return k.signal(syscall.SIGTERM)
}

// trap waits for a script to come by in any of several slots, and does something
// to it there, once.
type trap struct {
	script string
	spring func(*slot) redistest.Action
	once   sync.Once
	sprung chan struct{}
}

// decide is the proxy's rule.
func (k *slot) decide(args []string) redistest.Action {
	action := redistest.Forward()
	if t := k.site.trapFor(k, args); t != nil {
		t.once.Do(func() {
			action = t.spring(k)
			close(t.sprung)
		})
	}
	return action
}

// trapFor finds a trap that waits for this request.
func (s *Site) trapFor(k *slot, args []string) *trap {
	script := s.scriptOf(args)
	if script == "" {
		return nil
	}
	s.trapping.Lock()
	defer s.trapping.Unlock()
	for t, slots := range s.traps {
		if t.script == script && slices.Contains(slots, k) {
			delete(s.traps, t)
			return t
		}
	}
	return nil
}

// lay sets a trap in all the slots and waits until it has sprung in one. It
// reports false when no such script came by in time.
func (s *Site) lay(ctx context.Context, slots []*slot, script string, spring func(*slot) redistest.Action) bool {
	t := &trap{script: script, spring: spring, sprung: make(chan struct{})}
	s.trapping.Lock()
	s.traps[t] = slots
	s.trapping.Unlock()
	defer func() {
		s.trapping.Lock()
		defer s.trapping.Unlock()
		delete(s.traps, t)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-t.sprung:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// scriptOf names the script that a request runs; "" for other requests.
func (s *Site) scriptOf(args []string) string {
	if len(args) < 2 || !strings.EqualFold(args[0], "evalsha") {
		return ""
	}
	return s.scripts[args[1]]
}
