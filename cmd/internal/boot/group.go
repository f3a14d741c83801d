package boot

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// Group runs long-lived roles. Each gets a context that ends when the parent's
// does or when a role fails, and returns when it has stopped.
type Group struct {
	roles *errgroup.Group
	ctx   context.Context
}

// NewGroup returns an empty group.
func NewGroup(parent context.Context) *Group {
	roles, ctx := errgroup.WithContext(parent)
	return &Group{roles, ctx}
}

// Go starts a role. One that fails stops the others, and so does one that ends
// although nobody asked it to: a worker without its fetch loop is no worker.
func (g *Group) Go(name string, role func(context.Context) error) {
	g.roles.Go(func() error {
		err := role(g.ctx)
		switch {
		case g.ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			return nil
		case err == nil:
			err = errors.New("ended by itself")
		}
		return fmt.Errorf("%s: %w", name, err)
	})
}

// Context ends when the roles are to stop.
func (g *Group) Context() context.Context { return g.ctx }

// Wait returns when every role has ended, with the first failure.
func (g *Group) Wait() error { return g.roles.Wait() }
