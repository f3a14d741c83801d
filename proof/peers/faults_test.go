package peers_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/ledger"
	"github.com/tandemq/tandem/proof/storm"
)

// mixed is the plan of the storm: four lanes side by side, for a bit more
// than three minutes.
func mixed(s *stage) *storm.Plan {
	return join(
		storm.Draw(*seed, 24, 11*time.Second, s.ofServer()),
		storm.Draw(*seed+1, 32, 10*time.Second, s.ofWorkers()),
		storm.Draw(*seed+2, 4, 20*time.Second, s.freezes()),
		storm.Draw(*seed+3, 11, 16*time.Second, s.ofLinks()),
	)
}

// kills is the plan in which workers die and nothing else happens, rarely enough
// that few jobs are hit twice.
func kills(s *stage) *storm.Plan {
	return storm.Draw(*seed, 8, 14*time.Second, storm.Lane{Name: "workers", Faults: []inject.Fault{s.kill()}})
}

// outage is the plan of one outage.
func outage(away time.Duration) func(*stage) *storm.Plan {
	return func(s *stage) *storm.Plan {
		return storm.Draw(*seed, 1, 2*time.Second, storm.Lane{Name: "server", Faults: []inject.Fault{s.crash(away, away)}})
	}
}

// join makes one plan of several, each with lanes of its own.
func join(plans ...*storm.Plan) *storm.Plan {
	one := &storm.Plan{Seed: *seed}
	for _, p := range plans {
		one.Lanes = append(one.Lanes, p.Lanes...)
		one.Steps = append(one.Steps, p.Steps...)
	}
	return one
}

func (s *stage) ofServer() storm.Lane {
	server := s.site.Server.Instance
	return storm.Lane{Name: "server", Faults: []inject.Fault{
		s.crash(0, 3*time.Second), inject.Disconnect(server), inject.DisconnectOne(server),
	}}
}

func (s *stage) ofWorkers() storm.Lane {
	return storm.Lane{Name: "workers", Faults: []inject.Fault{
		s.kill(),
		do("worker.kill-all", func(context.Context, *rand.Rand) error { return signal(syscall.SIGKILL, s.workers...) }),
		do("worker.stop", func(_ context.Context, r *rand.Rand) error { return signal(syscall.SIGTERM, s.oneWorker(r)) }),
		do("worker.roll", func(ctx context.Context, r *rand.Rand) error {
			for _, w := range s.workers {
				if err := signal(syscall.SIGTERM, w); err != nil {
					return err
				}
				pause(ctx, time.Duration(r.IntN(500))*time.Millisecond)
			}
			return nil
		}),
	}}
}

// freezes are longer than the longest lease of the three, 30 s.
func (s *stage) freezes() storm.Lane {
	freeze := do("worker.freeze", func(ctx context.Context, r *rand.Rand) error {
		w := s.oneWorker(r)
		if err := signal(syscall.SIGSTOP, w); err != nil {
			return err
		}
		pause(ctx, 33*time.Second+time.Duration(r.IntN(5000))*time.Millisecond)
		return signal(syscall.SIGCONT, w)
	})
	return storm.Lane{Name: "freezes", Faults: []inject.Fault{freeze}}
}

func (s *stage) ofLinks() storm.Lane {
	lossy := do("links.lossy", func(ctx context.Context, r *rand.Rand) error {
		programs := slices.Concat(s.workers, s.producers)
		s.lose(programs)
		pause(ctx, time.Duration(5+r.IntN(10))*time.Second)
		for _, p := range programs {
			p.Proxy().OnRequest(forward)
		}
		return nil
	})
	return storm.Lane{Name: "links", Faults: []inject.Fault{lossy}}
}

func do(name string, strike func(context.Context, *rand.Rand) error) inject.Fault {
	return inject.Fault{Name: name, Do: strike}
}

func (s *stage) kill() inject.Fault {
	return do("worker.kill", func(_ context.Context, r *rand.Rand) error { return signal(syscall.SIGKILL, s.oneWorker(r)) })
}

// crash kills the server and notes when it is back.
func (s *stage) crash(least, most time.Duration) inject.Fault {
	f := inject.Crash(s.site.Server.Instance, inject.Span{Min: least, Max: most})
	return do(f.Name, func(ctx context.Context, r *rand.Rand) error {
		if err := f.Do(ctx, r); err != nil {
			return err
		}
		s.site.Book().Add(ledger.Entry{Kind: ledger.Fault, Text: f.Name, Word: "up"})
		return nil
	})
}

func (s *stage) oneWorker(r *rand.Rand) *storm.Program { return s.workers[r.IntN(len(s.workers))] }

func signal(sig syscall.Signal, programs ...*storm.Program) error {
	for _, p := range programs {
		if err := p.Signal(sig); err != nil {
			return err
		}
	}
	return nil
}

// shortest is the length of the shortest reply to a script: ":1" and its end.
const shortest = 4

// losing cuts a share of the replies to scripts, which all three libraries add
// and take jobs by. None arrives whole.
func losing(r *rand.Rand, share float64) func([]string) redistest.Action {
	return func(args []string) redistest.Action {
		if !strings.HasPrefix(strings.ToUpper(args[0]), "EVAL") || r.Float64() >= share {
			return redistest.Forward()
		}
		return redistest.CutReply(r.IntN(shortest))
	}
}

func forward([]string) redistest.Action { return redistest.Forward() }

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
