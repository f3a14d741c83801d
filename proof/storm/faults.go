package storm

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/ledger"
)

// patience is how long a trap waits for its script.
const patience = 5 * time.Second

// do is a fault that is over as soon as it has struck.
func do(name string, strike func(ctx context.Context, r *rand.Rand) error) inject.Fault {
	return inject.Fault{Name: name, Do: strike}
}

// OfWorkers are the faults of worker processes: all ways to die and to stand
// still, at random moments and at the border of each script.
func (s *Site) OfWorkers() Lane {
	lease := s.setup.Lease
	faults := []inject.Fault{
		do("worker.kill", func(_ context.Context, r *rand.Rand) error { return s.oneWorker(r).signal(syscall.SIGKILL) }),
		do("worker.kill-all", func(context.Context, *rand.Rand) error { return signalAll(s.workers, syscall.SIGKILL) }),
		do("worker.stop", func(_ context.Context, r *rand.Rand) error { return s.oneWorker(r).signal(syscall.SIGTERM) }),
		do("worker.roll", s.roll),
		do("worker.freeze-short", s.freeze(lease/10, lease*8/10)),
		do("worker.freeze-long", s.freeze(lease*12/10, lease*18/10)),
	}
	for _, script := range []string{"settle", "renew", "sweep"} {
		faults = append(faults,
			s.atBorder("worker.kill-before-"+script, s.everyWorker, script, true),
			s.atBorder("worker.kill-after-"+script, s.everyWorker, script, false))
	}
	return Lane{Name: "workers", Faults: faults}
}

// OfLinks are the faults between processes and the server, and of producers.
func (s *Site) OfLinks() Lane {
	lease := s.setup.Lease
	var faults []inject.Fault
	for _, script := range []string{"settle", "renew", "sweep"} {
		faults = append(faults, s.cut("link.cut-"+script, s.everyWorker, script), s.drop("link.drop-"+script, s.everyWorker, script))
	}
	faults = append(faults,
		s.cut("link.cut-add", s.everyProducer, "add"),
		s.drop("link.drop-add", s.everyProducer, "add"),
		s.atBorder("producer.kill-before-add", s.everyProducer, "add", true),
		s.atBorder("producer.kill-after-add", s.everyProducer, "add", false),
		do("producer.kill", func(_ context.Context, r *rand.Rand) error { return s.oneProducer(r).signal(syscall.SIGKILL) }),
		do("link.close", func(_ context.Context, r *rand.Rand) error {
			s.oneWorker(r).proxy.CloseAll()
			return nil
		}),
		do("link.stall-short", s.stall(200*time.Millisecond, lease/2)),
		do("link.stall-long", s.stall(lease*12/10, lease*18/10)),
		do("link.slow", s.slow),
	)
	return Lane{Name: "links", Faults: faults}
}

// OfServer are the faults of the server, its disk, and of everything at once.
//
// A power cut takes all that was not synced. One that leaves a part of it is not
// among them: Redis then keeps half of a script, and applies it at a later start,
// which no queue can do anything about. Package inject has a test of that.
func (s *Site) OfServer() Lane {
	lease, server, span := s.setup.Lease, s.Server.Instance, func(a, b time.Duration) inject.Span { return inject.Span{Min: a, Max: b} }
	faults := []inject.Fault{
		s.returning(inject.Crash(server, span(0, 2*time.Second))),
		s.returning(s.everything(inject.Crash(server, span(0, time.Second)))),
		s.returning(s.Server.PowerCut(false)),
		inject.Freeze(server, span(100*time.Millisecond, lease*8/10)),
		inject.Freeze(server, span(lease*12/10, lease*15/10)),
		inject.Sleep(server, span(100*time.Millisecond, time.Second)),
		inject.Disconnect(server),
		inject.DisconnectOne(server),
		inject.Forget(server, span(time.Second, 2*time.Second)),
		inject.Full(server, span(200*time.Millisecond, time.Second)),
		inject.Busy(server, span(200*time.Millisecond, time.Second)),
		s.Server.SlowSync(span(5*time.Millisecond, 20*time.Millisecond), span(500*time.Millisecond, time.Second)),
		do("corrupt record", s.corrupt),
	}
	return Lane{Name: "server", Faults: faults}
}

// corrupt overwrites a field of a job that waits. Nothing is promised of that one
// from then on, but that it stops nobody else.
func (s *Site) corrupt(ctx context.Context, r *rand.Rand) error {
	struck := false
	told := func(id, _ string) {
		struck = true
		s.ignored.Store(id, true)
	}
	err := inject.Corrupt(s.Server.Instance, inject.Record{Prefix: s.prefix, Queue: queue}, told).Do(ctx, r)
	if err == nil && !struck {
		return errMissed
	}
	return err
}

// returning notes the moment at which the server is back, and lets a job begin
// before the next fault of the lane: how long that takes is one of the figures.
func (s *Site) returning(f inject.Fault) inject.Fault {
	return do(f.Name, func(ctx context.Context, r *rand.Rand) error {
		if err := f.Do(ctx, r); err != nil {
			return err
		}
		back := time.Now()
		s.book.Add(ledger.Entry{Kind: ledger.Fault, Text: f.Name, Word: "up"})
		for time.Since(back) < mercy && s.follower.active.Load() <= back.UnixMilli() {
			pause(ctx, 5*time.Millisecond)
		}
		return nil
	})
}

// mercy is how long the server is spared for that at most.
const mercy = 3 * time.Second

// everything dies at the same moment.
func (s *Site) everything(crash inject.Fault) inject.Fault {
	return do("everything.kill", func(ctx context.Context, r *rand.Rand) error {
		if err := signalAll(s.workers, syscall.SIGKILL); err != nil {
			return err
		}
		if err := signalAll(s.producers, syscall.SIGKILL); err != nil {
			return err
		}
		return crash.Do(ctx, r)
	})
}

func (s *Site) oneWorker(r *rand.Rand) *slot   { return s.workers[r.IntN(len(s.workers))] }
func (s *Site) oneProducer(r *rand.Rand) *slot { return s.producers[r.IntN(len(s.producers))] }
func (s *Site) everyWorker() []*slot           { return s.workers }
func (s *Site) everyProducer() []*slot         { return s.producers }

func signalAll(slots []*slot, sig syscall.Signal) error {
	for _, k := range slots {
		if err := k.signal(sig); err != nil {
			return err
		}
	}
	return nil
}

// roll stops one worker after the other, as a deployment does.
func (s *Site) roll(ctx context.Context, r *rand.Rand) error {
	for _, k := range s.workers {
		if err := k.signal(syscall.SIGTERM); err != nil {
			return err
		}
		pause(ctx, time.Duration(r.IntN(500))*time.Millisecond)
	}
	return nil
}

// freeze stops a worker's process for a while, and lets the same one go on.
func (s *Site) freeze(least, most time.Duration) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, r *rand.Rand) error {
		k := s.oneWorker(r)
		if err := k.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		pause(ctx, between(r, least, most))
		return k.signal(syscall.SIGCONT)
	}
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}

// atBorder kills a process when its next such script is about to reach the
// server, or has reached it and is about to be executed with nobody left to hear
// the reply.
func (s *Site) atBorder(name string, who func() []*slot, script string, before bool) inject.Fault {
	return do(name, func(ctx context.Context, _ *rand.Rand) error {
		var failed error
		sprung := s.lay(ctx, who(), script, func(k *slot) redistest.Action {
			failed = k.signal(syscall.SIGKILL)
			if before {
				return redistest.DropRequest()
			}
			return redistest.Forward()
		})
		return missed(sprung, failed)
	})
}

func missed(sprung bool, failed error) error {
	if !sprung {
		return errMissed
	}
	return failed
}

// longestReply is more than most replies have, so that any byte may be the last.
const longestReply = 400

// cut loses the reply to a script after it was executed, from some byte on.
func (s *Site) cut(name string, who func() []*slot, script string) inject.Fault {
	return do(name, func(ctx context.Context, r *rand.Rand) error {
		keep := r.IntN(longestReply)
		if r.IntN(3) == 0 {
			keep = r.IntN(8)
		}
		return missed(s.lay(ctx, who(), script, func(*slot) redistest.Action { return redistest.CutReply(keep) }), nil)
	})
}

// drop loses a script before it was executed.
func (s *Site) drop(name string, who func() []*slot, script string) inject.Fault {
	return do(name, func(ctx context.Context, _ *rand.Rand) error {
		return missed(s.lay(ctx, who(), script, func(*slot) redistest.Action { return redistest.DropRequest() }), nil)
	})
}

// stall lets nothing through between one worker and the server for a while.
func (s *Site) stall(least, most time.Duration) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, r *rand.Rand) error {
		return inject.Stall(s.oneWorker(r).proxy, inject.Span{Min: least, Max: most}).Do(ctx, r)
	}
}

func (s *Site) slow(ctx context.Context, r *rand.Rand) error {
	pace := redistest.Pace{Delay: between(r, 5*time.Millisecond, 100*time.Millisecond)}
	return inject.Slow(s.oneWorker(r).proxy, pace, inject.Span{Min: time.Second, Max: 2 * time.Second}).Do(ctx, r)
}
