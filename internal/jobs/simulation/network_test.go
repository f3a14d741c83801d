package simulation

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/tandemq/tandem/internal/embedded"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// network is everything between the processes and the one server.
type network struct {
	server *embedded.Server

	mu     sync.Mutex // guards what follows, and every link's fields
	links  []*link
	down   bool      // the server is away: nobody can connect
	still  time.Time // the server stands still until then
	healed bool
}

// link is the way of one process to the server.
type link struct {
	net    *network
	losses losses
	delay  time.Duration // how long a piece is on its way
	rand   *rand.Rand

	cables map[*cable]bool
	frozen time.Time // nothing gets through until then
	dead   bool      // the process is gone: nothing gets through any more
}

// link makes a way for one process. The number decides its losses.
func (n *network) link(number uint64, l losses) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := rand.New(rand.NewPCG(number, 1))
	way := &link{net: n, losses: l, rand: r, delay: time.Duration(r.IntN(3)) * time.Millisecond, cables: map[*cable]bool{}}
	n.links = append(n.links, way)
	return way
}

// unlimited is how many connections a process may have. Whoever waits for one
// does so by a timer that the client library keeps for later use, and a timer of
// one bubble must not come into another.
const unlimited = 1000

// soon ends a connect before anybody has waited for its end: see unlimited.
const soon = 200 * time.Millisecond

// open returns a connection of the product's own kind over this way.
func (l *link) open() (*redisconn.Conn, error) {
	return redisconn.Open(redisconn.Options{URL: "redis://127.0.0.1:6379", Dial: l.dial, PoolSize: unlimited, DialTimeout: soon})
}

func (l *link) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	w, err := l.connect(network)
	if w == nil && err == nil {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	if err != nil {
		return nil, err
	}
	l.net.server.Serve(serverEnd{w})
	return clientEnd{w}, nil
}

// connect returns nothing when nobody answers.
func (l *link) connect(network string) (*cable, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	switch {
	case l.dead || time.Now().Before(l.frozen):
		return nil, nil
	case l.net.down:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	w := &cable{link: l, up: newStream(), down: newStream()}
	l.cables[w] = true
	return w, nil
}

// leave forgets a connection that its client has closed. A dead process tells
// nobody.
func (l *link) leave(w *cable) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if !l.dead {
		delete(l.cables, w)
		w.up.end(false)
	}
}

// arrival is when something sent now arrives. Callers hold the network's mu.
func (l *link) arrival() time.Time {
	at := time.Now().Add(l.delay)
	for _, moment := range []time.Time{l.frozen, l.net.still} {
		if moment.After(at) {
			at = moment
		}
	}
	return at
}

// request carries what a client sends, or does to it what the losses say.
func (l *link) request(w *cable, p []byte) (int, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.dead {
		return len(p), nil
	}
	at := l.arrival()
	switch l.mishap() {
	case "request":
		delete(l.cables, w)
		w.cut(true)
		return len(p), nil
	case "reply":
		w.nextReply(replyFault{lost: true, keep: l.rand.IntN(20)})
	case "silence":
		return len(p), nil
	case "late":
		at = at.Add(time.Duration(l.rand.IntN(8000)) * time.Millisecond)
	}
	w.up.put(p, at)
	return len(p), nil
}

// mishap draws what goes wrong with a request, most often nothing.
func (l *link) mishap() string {
	if l.net.healed {
		return ""
	}
	n := l.rand.IntN(1000)
	for _, m := range []struct {
		what  string
		share int
	}{{"request", l.losses.request}, {"reply", l.losses.reply}, {"silence", l.losses.silence}, {"late", l.losses.late}} {
		if n < m.share {
			return m.what
		}
		n -= m.share
	}
	return ""
}

// answer carries what the server sends.
func (l *link) answer(w *cable, p []byte) (int, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.dead {
		return len(p), nil
	}
	at := l.arrival()
	if f := w.takeReplyFault(); f.lost {
		w.down.put(p[:min(f.keep, len(p)-1)], at)
		delete(l.cables, w)
		w.up.end(true)
		w.down.end(false)
		return len(p), nil
	}
	w.down.put(p, at)
	return len(p), nil
}

// kill lets nothing through any more. What the process has sent still arrives.
// The server learns of it, unless the plug was pulled.
func (l *link) kill(unplugged bool) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.dead = true
	for w := range l.cables {
		if !unplugged {
			w.up.end(false)
		}
	}
}

// bury ends the connections of a dead process, so that nobody waits for them.
func (l *link) bury() {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for w := range l.cables {
		w.cut(true)
	}
	clear(l.cables)
}

func (l *link) freeze(d time.Duration) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.frozen = later(l.frozen, time.Now().Add(d))
	for w := range l.cables {
		w.hold(l.frozen)
	}
}

// stall lets the server stand still.
func (n *network) stall(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.still = later(n.still, time.Now().Add(d))
	for _, l := range n.links {
		for w := range l.cables {
			w.hold(n.still)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// reset closes every connection; what was on its way is lost.
func (n *network) reset(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = n.down || down
	for _, l := range n.links {
		for w := range l.cables {
			w.up.end(true)
			if !l.dead {
				w.down.end(true)
			}
		}
		clear(l.cables)
	}
}

func (n *network) up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

// heal ends the losses.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.healed, n.down = true, false
}
