package worker

import "sync"

// Gate lets a suspect job run alone in its process: with the others, or without
// them. Whoever waits to run alone holds up those who come later, so that its
// turn comes.
type Gate struct{ mu sync.RWMutex }

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{} }

// together enters with others and returns how to leave.
func (g *Gate) together() (leave func()) {
	g.mu.RLock()
	return g.mu.RUnlock
}

// alone waits until everybody has left, keeps others out, and returns how to
// leave.
func (g *Gate) alone() (leave func()) {
	g.mu.Lock()
	return g.mu.Unlock
}
