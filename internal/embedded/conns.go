package embedded

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2/server"
)

// registry knows the connected clients, which miniredis does not list.
//
// A command reaches the hook in two ways: from a client, or from a script that
// calls redis.call. The second comes with a peer made for the call, which
// already has miniredis's context when it is first seen, while a client's has
// none before its first command. That is how the two are told apart.
type registry struct {
	mu      sync.Mutex // guards the fields below, and those of every conn but multi
	next    int64
	clients map[*server.Peer]*conn
	inner   map[*server.Peer]bool // made by redispatch, on behalf of a client
}

// conn is one connected client.
type conn struct {
	id      int64
	name    string
	command string // the latest, in lower case
	since   time.Time
	active  time.Time
	multi   bool // between MULTI and EXEC; touched by the connection's own goroutine only
}

func newRegistry() *registry {
	return &registry{clients: map[*server.Peer]*conn{}, inner: map[*server.Peer]bool{}}
}

// enter notes that peer sends command and returns its connection, or nil when
// the command comes from inside a script.
func (r *registry) enter(peer *server.Peer, command string) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clients[peer]
	if c == nil {
		if peer.Ctx != nil || r.inner[peer] {
			return nil
		}
		c = r.add(peer)
	}
	c.name, c.command, c.active = peer.ClientName, strings.ToLower(command), time.Now()
	return c
}

func (r *registry) add(peer *server.Peer) *conn {
	r.next++
	c := &conn{id: r.next, since: time.Now()}
	r.clients[peer] = c
	peer.OnDisconnect(func() { r.remove(peer) })
	return c
}

func (r *registry) remove(peer *server.Peer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, peer)
}

// within runs f while peer counts as part of a client's command.
func (r *registry) within(peer *server.Peer, f func()) {
	r.mark(peer, true)
	defer r.mark(peer, false)
	f()
}

func (r *registry) mark(peer *server.Peer, inner bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if inner {
		r.inner[peer] = true
	} else {
		delete(r.inner, peer)
	}
}

func (r *registry) rename(c *conn, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.name = name
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.clients)
}

// list describes all clients in the form of CLIENT LIST, the oldest first.
func (r *registry) list() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*conn
	for _, c := range r.clients {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	var text strings.Builder
	for _, c := range all {
		text.WriteString(c.describe(time.Now()))
	}
	return text.String()
}

func (r *registry) describe(c *conn) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return c.describe(time.Now())
}

// describe is the client's line in CLIENT LIST. Its address is not known: the
// server below hands out peers without one.
func (c *conn) describe(now time.Time) string {
	return fmt.Sprintf("id=%d addr=127.0.0.1:0 name=%s age=%d idle=%d flags=N db=0 cmd=%s user=default resp=2\n",
		c.id, c.name, int(now.Sub(c.since).Seconds()), int(now.Sub(c.active).Seconds()), c.command)
}
