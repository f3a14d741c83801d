package queue

// WaitingFor is how many adds wait for the next call.
func WaitingFor(q *Queue) int {
	q.joiner.mu.Lock()
	defer q.joiner.mu.Unlock()
	return len(q.joiner.waiting)
}

// Sending is how many calls are under way with all that there is to send.
func Sending(q *Queue) int {
	q.joiner.mu.Lock()
	defer q.joiner.mu.Unlock()
	if len(q.joiner.waiting) > 0 {
		return 0
	}
	return q.joiner.calls
}
