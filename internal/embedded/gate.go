package embedded

import "sync"

// gate lets scripts run until the server closes. miniredis forgets its server
// when it closes, and a script that is running then would look for it and crash
// the process; so closing waits for the scripts, and later ones are refused.
type gate struct {
	mu     sync.RWMutex // held for reading while a script runs
	closed bool
}

// pass runs f unless the gate is closed, and reports whether it did.
func (g *gate) pass(f func()) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return false
	}
	f()
	return true
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
