package boot

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const healthCloseTimeout = 10 * time.Second

// WithOps runs a service behind its listener for operators, which is there
// first and leaves last: while the service stops, probes see it drain.
func WithOps(ctx context.Context, ops *Server, health *Health, service func(context.Context) error) error {
	opsContext, closeOps := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- ops.Run(opsContext) }()
	stopDraining := context.AfterFunc(ctx, health.Drain)
	defer stopDraining()

	serviceContext, stopService := context.WithCancelCause(ctx)
	defer stopService(nil)
	ended := make(chan error, 1)
	go func() { ended <- service(serviceContext) }()

	select {
	case err := <-ended:
		closeOps()
		return errors.Join(err, <-served, closeHealth(ctx, health))
	case err := <-served: // it must not end by itself
		closeOps()
		err = fmt.Errorf("ops listener: %w", errors.Join(err, errors.New("ended by itself")))
		stopService(err)
		return errors.Join(err, <-ended)
	}
}

// closeHealth waits for checks that are running; each has a timeout of its own.
func closeHealth(ctx context.Context, health *Health) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthCloseTimeout)
	defer cancel()
	return health.Close(ctx)
}
