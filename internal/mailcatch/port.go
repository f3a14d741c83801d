package mailcatch

import (
	"net"
	"sync"
)

// port is a listener that knows its open connections, so that stopping can hang
// up on clients that would keep theirs.
type port struct {
	net.Listener

	mu   sync.Mutex
	open map[*conn]struct{}
}

func newPort(l net.Listener) *port { return &port{Listener: l, open: map[*conn]struct{}{}} }

func (p *port) Accept() (net.Conn, error) {
	accepted, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, port: p}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = struct{}{}
	return c, nil
}

// hangUp closes every open connection. An error of closing one says only that
// the client was faster.
func (p *port) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Conn.Close()
	}
}

// conn leaves its port's list when it is closed.
type conn struct {
	net.Conn
	port *port
}

func (c *conn) Close() error {
	c.port.mu.Lock()
	delete(c.port.open, c)
	c.port.mu.Unlock()
	return c.Conn.Close()
}
