package queue

// WaitingFor is how many adds wait for the next call.
func WaitingFor(q *Queue) int {
	q.joiner.mu.Lock()
	defer q.joiner.mu.Unlock()
	return len(q.joiner.waiting)
}

// Sending reports whether a call is under way.
func Sending(q *Queue) bool {
	q.joiner.mu.Lock()
	defer q.joiner.mu.Unlock()
	return q.joiner.running && len(q.joiner.waiting) == 0
}
