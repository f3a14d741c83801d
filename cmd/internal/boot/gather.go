package boot

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// gatherFor is how long a line waits for others at most.
	gatherFor = 50 * time.Millisecond
	// gatherMost is how many bytes wait at most.
	gatherMost = 32 << 10
)

// gatherer writes the lines of a program that logs much in few calls. A line that
// comes alone is written at once. Those that come within gatherFor of it wait for
// the end of that time, and go out together; so the log is never further behind
// than that, and a quiet program's never is.
//
// Flush it before the process ends, and after what must not be lost.
type gatherer struct {
	to io.Writer

	mu      sync.Mutex // guards the rest, and keeps lines in their order
	held    []byte
	waiting bool // a timer runs that will call next
}

// Write implements io.Writer. What was held back and cannot be written is lost:
// there is no other place to say so.
func (g *gatherer) Write(line []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.waiting {
		g.wait()
		return g.to.Write(line)
	}
	g.held = append(g.held, line...)
	if len(g.held) < gatherMost {
		return len(line), nil
	}
	return len(line), g.flush()
}

// Flush writes what is held back.
func (g *gatherer) Flush() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.flush()
}

func (g *gatherer) flush() error {
	if len(g.held) == 0 {
		return nil
	}
	_, err := g.to.Write(g.held)
	g.held = g.held[:0]
	return err
}

func (g *gatherer) wait() {
	g.waiting = true
	time.AfterFunc(gatherFor, g.next)
}

// next ends the wait that began with a line, and begins another if lines came.
func (g *gatherer) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = false
	if len(g.held) > 0 {
		_ = g.flush() // nobody is left to tell
		g.wait()
	}
}

// prompt is a handler whose warnings and errors are out, with all that came
// before them, when the call that logs them returns: what the process dies of is
// in its log.
type prompt struct {
	slog.Handler
	lines *gatherer
}

// Handle implements slog.Handler.
func (p prompt) Handle(ctx context.Context, r slog.Record) error {
	err := p.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		err = errors.Join(err, p.lines.Flush())
	}
	return err
}

// WithAttrs implements slog.Handler.
func (p prompt) WithAttrs(attrs []slog.Attr) slog.Handler {
	return prompt{p.Handler.WithAttrs(attrs), p.lines}
}

// WithGroup implements slog.Handler.
func (p prompt) WithGroup(name string) slog.Handler {
	return prompt{p.Handler.WithGroup(name), p.lines}
}
