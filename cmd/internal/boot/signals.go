package boot

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Stopped is the cause with which the first signal cancels.
type Stopped struct{ Signal os.Signal }

func (s Stopped) Error() string { return fmt.Sprintf("stopped by signal: %s", s.Signal) }

// WithSignals returns a context that the first SIGINT or SIGTERM cancels, with
// a Stopped as cause. A second one calls force, which is to end the process at
// once: whoever asks twice does not want to wait. stop gives signals their
// usual meaning again and waits for the watcher.
func WithSignals(parent context.Context, force func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	quit, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		watch(signals, quit, cancel, force)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(quit)
		<-watched
		cancel(nil)
	}
}

func watch(signals <-chan os.Signal, quit <-chan struct{}, cancel context.CancelCauseFunc, force func()) {
	for first := true; ; first = false {
		select {
		case <-quit:
			return
		case received := <-signals:
			if !first {
				force()
				return
			}
			cancel(Stopped{received})
		}
	}
}
