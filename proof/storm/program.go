package storm

import "syscall"

// Program is one of the real services on a site, started again whenever it ends.
type Program struct{ slot *slot }

// Keep runs a program behind a proxy of its own until Close. line is its command
// line; url is where it finds the server.
func (s *Site) Keep(role string, line func(url string) []string) *Program {
	k := newSlot(s, role, line)
	s.programs = append(s.programs, k)
	s.running.Go(k.keep)
	return &Program{k}
}

// Signal sends a signal to the process that runs now.
func (p *Program) Signal(sig syscall.Signal) error { return p.slot.signal(sig) }

// Close stops all programs in good order and waits for their end.
func (s *Site) Close() {
	for _, k := range s.programs {
		if err := k.end(); err != nil {
			s.problem("%v", err)
		}
	}
	s.running.Wait()
	if err := s.book.Close(); err != nil {
		s.problem("%v", err)
	}
}
