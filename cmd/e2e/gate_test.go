package e2e_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/tandemq/tandem/internal/mailcatch"
)

// gate stands in front of a mailbox. It turns away whose name begins with
// "refused", and while it is held, nobody gets an answer.
type gate struct {
	mu      sync.Mutex
	held    chan struct{} // closed when the gate opens; nil while it is open
	waiting int           // how many were made to wait, ever
}

func (g *gate) admit(recipient string) *mailcatch.Refusal {
	if strings.HasPrefix(recipient, "refused") {
		return &mailcatch.Refusal{Code: 550, Text: "no such mailbox"}
	}
	if held := g.arrive(); held != nil {
		<-held
	}
	return nil
}

func (g *gate) arrive() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		g.waiting++
	}
	return g.held
}

func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = make(chan struct{})
}

func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
		g.held = nil
	}
}

// await returns once n mails stand at the gate.
func (g *gate) await(t *testing.T, n int) {
	t.Helper()
	eventually(t, "mails at the gate", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.waiting >= n
	})
}
