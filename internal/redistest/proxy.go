package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Action is what a proxy does with one request.
type Action struct {
	kind string
	keep int
}

// Forward passes the request on and the reply back: the zero Action.
func Forward() Action { return Action{} }

// CutReply passes the request on, waits until the server has answered it, lets
// the first keep bytes of the reply through and closes the connection. The
// server has done the work; the client does not know.
func CutReply(keep int) Action { return Action{kind: "cut", keep: keep} }

// DropRequest closes the connection before the server sees the request.
func DropRequest() Action { return Action{kind: "drop"} }

// Nth returns a rule for Proxy.OnRequest: the n-th request (from 1) of a command
// gets the action, all others are forwarded. An empty command means any.
func Nth(n int, command string, action Action) func(args []string) Action {
	seen := 0
	return func(args []string) Action {
		if command != "" && !strings.EqualFold(args[0], command) {
			return Forward()
		}
		seen++
		if seen == n {
			return action
		}
		return Forward()
	}
}

// TCPProxy stands between clients and a server and fails in the ways networks
// do. It understands RESP well enough to know where requests and replies end;
// it does not follow connections that subscribe to channels.
type TCPProxy struct {
	*Server

	target   string
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex // guards the fields below
	rule  func(args []string) Action
	cuts  int
	whole int // bytes of the reply that was cut last
	conns map[*link]bool
	gate  chan struct{} // closed while traffic flows
	pace  Pace
	ended bool
}

// Pace is how slow a network is. The zero value is as fast as it can be.
type Pace struct {
	Delay          time.Duration // that each request and each reply is held for
	BytesPerSecond int           // in each direction of each connection; 0 is no limit
}

// hold is how long so many bytes take.
func (p Pace) hold(bytes int) time.Duration {
	if p.BytesPerSecond <= 0 {
		return p.Delay
	}
	return p.Delay + time.Duration(bytes)*time.Second/time.Duration(p.BytesPerSecond)
}

// Proxy starts a proxy to target for this test. It outlives restarts of the
// target.
func Proxy(tb testing.TB, target *Server) *TCPProxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: proxy: %v", err)
	}
	open := make(chan struct{})
	close(open)
	p := &TCPProxy{
		Server: target.at(listener.Addr().String()), target: target.Addr,
		listener: listener, conns: map[*link]bool{}, gate: open,
	}
	p.work.Go(p.accept)
	tb.Cleanup(p.end)
	return p
}

// OnRequest sets the rule that decides over each request from now on, for all
// connections. It is called for one request at a time; args[0] is the command.
func (p *TCPProxy) OnRequest(rule func(args []string) Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// Cuts is how many replies have been cut and requests dropped so far.
func (p *TCPProxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// Whole is how many bytes the reply had that was cut last: a CutReply of as many
// lets all of it through. It is known as soon as the client has seen the cut.
func (p *TCPProxy) Whole() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole
}

// Stall stops all traffic in both directions and leaves the connections open, as
// a network does that loses packets. New connections are accepted and stall too.
func (p *TCPProxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
		p.gate = make(chan struct{})
	default:
	}
}

// Flow ends Stall. What was held back arrives.
func (p *TCPProxy) Flow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// Slow sets the pace of all connections from now on; the zero Pace ends it.
func (p *TCPProxy) Slow(pace Pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pace = pace
}

// CloseAll closes every connection that exists now; new ones are welcome.
func (p *TCPProxy) CloseAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.conns {
		l.close()
	}
}

func (p *TCPProxy) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.listener.Close()
	p.CloseAll()
	p.work.Wait()
}

func (p *TCPProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // the listener was closed: the test is over
		}
		p.work.Go(func() { p.serve(client) })
	}
}

// serve joins one client to the server until either leaves.
func (p *TCPProxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		client.Close() // what the client sees is what it would see without the proxy
		return
	}
	l := &link{proxy: p, client: client, server: server, done: make(chan struct{}), orders: make(chan Action, 1<<16)}
	if !p.add(l) {
		l.close()
		return
	}
	defer p.remove(l)
	var replies sync.WaitGroup
	replies.Go(l.replies)
	l.requests()
	replies.Wait()
}

func (p *TCPProxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.conns[l] = true
	}
	return !p.ended
}

func (p *TCPProxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, l)
}

func (p *TCPProxy) decide(args []string) Action {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rule == nil || len(args) == 0 {
		return Forward()
	}
	action := p.rule(args)
	if action.kind != "" {
		p.cuts++
	}
	return action
}

func (p *TCPProxy) measure(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.whole = bytes
}

func (p *TCPProxy) hold(bytes int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace.hold(bytes)
}

func (p *TCPProxy) flowing() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gate
}

// link is one client's connection through the proxy.
type link struct {
	proxy          *TCPProxy
	client, server net.Conn
	orders         chan Action // what to do with each reply, in the order of the requests
	once           sync.Once
	done           chan struct{}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		l.client.Close()
		l.server.Close()
	})
}

// errEnded: the link was closed while traffic was stalled.
var errEnded = errors.New("connection ended")

// pass writes bytes when traffic flows, after the time that they take.
func (l *link) pass(to io.Writer, raw []byte) error {
	if d := l.proxy.hold(len(raw)); d > 0 {
		select {
		case <-time.After(d):
		case <-l.done:
			return errEnded
		}
	}
	select {
	case <-l.proxy.flowing():
	case <-l.done:
		return errEnded
	}
	_, err := to.Write(raw)
	return err
}

// requests carries requests until one of the connections ends; then it ends both.
func (l *link) requests() {
	defer l.close()
	from := bufio.NewReader(l.client)
	for {
		args, raw, err := readRequest(from)
		if err != nil {
			return
		}
		action := l.proxy.decide(args)
		if action.kind == "drop" {
			return
		}
		l.orders <- action
		if l.pass(l.server, raw) != nil {
			return
		}
	}
}

// replies carries whole replies, so that a reply that is cut short was one that
// the server had finished.
func (l *link) replies() {
	defer l.close()
	from := bufio.NewReader(l.server)
	for {
		raw, err := readReply(from)
		if err != nil {
			return
		}
		action := <-l.orders
		if action.kind == "cut" {
			l.proxy.measure(len(raw))
			raw = raw[:min(action.keep, len(raw))]
		}
		if l.pass(l.client, raw) != nil || action.kind == "cut" {
			return
		}
	}
}
