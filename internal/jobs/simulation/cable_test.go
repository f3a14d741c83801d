package simulation

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// stream is one direction of a connection. Writing never blocks; what was
// written arrives in order, each piece at its moment.
type stream struct {
	mu       sync.Mutex
	pieces   []piece
	ended    bool // nothing follows the pieces
	closed   bool // the reader has gone
	deadline time.Time
	changed  chan struct{} // holds one message: look again
}

type piece struct {
	at   time.Time
	data []byte
}

func newStream() *stream { return &stream{changed: make(chan struct{}, 1)} }

// put appends data that arrives at a moment, not before what was put earlier.
func (s *stream) put(data []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(data) == 0 {
		return
	}
	if n := len(s.pieces); n > 0 && s.pieces[n-1].at.After(at) {
		at = s.pieces[n-1].at
	}
	s.pieces = append(s.pieces, piece{at, append([]byte(nil), data...)})
	s.poke()
}

// end lets the reader see the end behind what is on its way; drop takes that away.
func (s *stream) end(drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if drop {
		s.pieces = nil
	}
	s.poke()
}

// hold lets nothing arrive before a moment.
func (s *stream) hold(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.pieces {
		if s.pieces[i].at.Before(until) {
			s.pieces[i].at = until
		}
	}
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.poke()
}

func (s *stream) until(deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = deadline
	s.poke()
}

// poke tells the reader to look again. Callers hold mu.
func (s *stream) poke() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *stream) read(p []byte) (int, error) {
	for {
		n, again, err := s.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		s.await(again)
	}
}

// take reads what has arrived. Without any, it says when to look again; zero is
// when something changes.
func (s *stream) take(p []byte) (n int, again time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.closed:
		return 0, again, net.ErrClosed
	case !s.deadline.IsZero() && !now.Before(s.deadline):
		return 0, again, os.ErrDeadlineExceeded
	case len(s.pieces) == 0 && s.ended:
		return 0, again, io.EOF
	case len(s.pieces) == 0:
		return 0, s.deadline, nil
	case s.pieces[0].at.After(now):
		again = s.pieces[0].at
		if !s.deadline.IsZero() && s.deadline.Before(again) {
			again = s.deadline
		}
		return 0, again, nil
	}
	n = copy(p, s.pieces[0].data)
	if s.pieces[0].data = s.pieces[0].data[n:]; len(s.pieces[0].data) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, again, nil
}

func (s *stream) await(moment time.Time) {
	if moment.IsZero() {
		<-s.changed
		return
	}
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-s.changed:
	case <-timer.C:
	}
}

// cable is a connection between a client and the server.
type cable struct {
	link     *link
	up, down *stream

	mu    sync.Mutex
	reply replyFault // what happens to the next reply
}

// replyFault is done to one reply.
type replyFault struct {
	lost bool
	keep int // bytes of it that still arrive
}

// clientEnd and serverEnd are the two ends as the parties hold them.
type (
	clientEnd struct{ *cable }
	serverEnd struct{ *cable }
)

func (c clientEnd) Read(p []byte) (int, error)  { return c.down.read(p) }
func (c clientEnd) Write(p []byte) (int, error) { return c.link.request(c.cable, p) }

// Close ends the connection; what was sent before still arrives.
func (c clientEnd) Close() error {
	c.down.close()
	c.link.leave(c.cable)
	return nil
}

func (c clientEnd) SetReadDeadline(t time.Time) error {
	c.down.until(t)
	return nil
}

func (s serverEnd) Read(p []byte) (int, error)  { return s.up.read(p) }
func (s serverEnd) Write(p []byte) (int, error) { return s.link.answer(s.cable, p) }

func (s serverEnd) Close() error {
	s.up.close()
	s.down.end(false)
	return nil
}

func (s serverEnd) SetReadDeadline(t time.Time) error {
	s.up.until(t)
	return nil
}

// Writing never blocks, so its deadline means nothing.
func (c clientEnd) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
func (s serverEnd) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }
func (*cable) SetWriteDeadline(time.Time) error   { return nil }
func (*cable) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (*cable) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6379} }

// cut closes both ways at once. What is on its way to the client is lost, and
// on request what is on its way to the server.
func (w *cable) cut(drop bool) {
	w.up.end(drop)
	w.down.end(true)
}

func (w *cable) hold(until time.Time) {
	w.up.hold(until)
	w.down.hold(until)
}

func (w *cable) nextReply(f replyFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reply = f
}

func (w *cable) takeReplyFault() replyFault {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.reply
	w.reply = replyFault{}
	return f
}
