package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// idleBlock is how long the listener blocks before it has a look anyhow: BullMQ's
// drainDelay. A marker that somebody forgot costs a job so much and no more.
const idleBlock = 5 * time.Second

// listenForWork blocks on the marker while a slot is free and nothing was found.
// While all slots are busy it must not: it would take away another worker's
// wake-up.
func (p *Pool) listenForWork() {
	defer p.giveBack()
	ctx := p.fetching
	l := p.listen()
	// The client cannot give up a blocked call; closing its connection ends it.
	closed := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer func() {
		if closed() {
			_ = l.Close()
		}
	}()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-p.exchange.idle:
		}
		// When the earliest delayed job is due, which a marker may tell, the fetch
		// tells too, and by a clock that is the server's.
		_, _, err := l.Wait(ctx, idleBlock)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			p.log.Warn("cannot wait for work", slog.Any("error", err), slog.Int("failures", failures))
			if !pause(ctx, failures) {
				return
			}
			p.exchange.wake()
			continue
		}
		failures = 0
		p.beat()
		p.exchange.wake()
	}
}

// giveBack sets the marker again if work waits: the call that blocked when the
// pool began to stop may have taken it, also when its answer never came, and so
// may an earlier one, for a fetch that failed or was not made any more.
func (p *Pool) giveBack() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.upkeep), stopGrace)
	defer cancel()
	if _, err := p.broker.Settle(ctx, nil, p.fetch(0, true)); err != nil {
		p.log.Warn("cannot give the marker back; others look for work every few seconds", slog.Any("error", err))
	}
}

// pause waits 50 to 500 ms, longer with each failure in a row, and reports
// whether to go on.
func pause(ctx context.Context, failures int) bool {
	d := min(50*time.Millisecond<<min(failures-1, 4), 500*time.Millisecond)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
