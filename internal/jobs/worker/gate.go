package worker

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Gate lets a suspect job run alone in its process: with the others, or without
// them. Whoever waits to run alone holds up those who come later, so that its
// turn comes. Nobody waits longer than its context lasts.
type Gate struct{ places *semaphore.Weighted }

// everybody is more than jobs ever run in one process.
const everybody = 1 << 40

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{places: semaphore.NewWeighted(everybody)} }

// together enters with others and returns how to leave.
func (g *Gate) together(ctx context.Context) (leave func(), err error) { return g.enter(ctx, 1) }

// alone waits until everybody has left, keeps others out, and returns how to
// leave.
func (g *Gate) alone(ctx context.Context) (leave func(), err error) { return g.enter(ctx, everybody) }

func (g *Gate) enter(ctx context.Context, places int64) (leave func(), err error) {
	if g.places.Acquire(ctx, places) != nil {
		return nil, context.Cause(ctx)
	}
	return func() { g.places.Release(places) }, nil
}
