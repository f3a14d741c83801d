package queue

import (
	"context"

	"github.com/tandemq/tandem/internal/jobs"
)

// Typed adds jobs of one type: the compiler checks the payload.
type Typed[P, R any] struct {
	queue *Queue
	name  string
}

// On binds a job type to its queue. It panics when the type belongs to another
// queue, which is a mistake in the program.
func On[P, R any](q *Queue, t jobs.Type[P, R]) Typed[P, R] {
	if t.Queue() != q.name {
		panic("queue: job type " + t.Name() + " belongs to queue " + t.Queue() + ", not " + q.name)
	}
	return Typed[P, R]{queue: q, name: t.Name()}
}

// Add stores a job; see Queue.Add.
func (t Typed[P, R]) Add(ctx context.Context, payload P, o jobs.Options) (Added, error) {
	return t.queue.Add(ctx, t.name, payload, o)
}

// Item is a job for Queue.AddBulk.
func (t Typed[P, R]) Item(payload P, o jobs.Options) Item {
	return Item{Name: t.name, Payload: payload, Options: o}
}
