package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

// experiment is something that -only can choose.
type experiment struct {
	id     string
	rounds int
	cost   cost
	run    func(ctx context.Context, l *lab, rounds int) error
}

// plan is a work for several systems.
type plan struct {
	id      string
	work    work.Work
	fsync   server.Fsync
	systems []tally.System
	rounds  int
	cost    cost
}

// everybody is who is compared, ours first.
func everybody() []tally.System { return []tally.System{tally.Tandem, tally.BullMQ, tally.Asynq} }

// experiments are all of them, in the order in which they run: those without a
// goal come last, since a run that gets short of time leaves the last ones out.
func experiments(o options) []experiment {
	all := ofPlans(o, append(inMemory(o), timed(o)...))
	all = append(all, ofPlans(o, logging(server.Always, o.scaled(10_000), o.scaled(4_000), o.scaled(8_000)))...)
	for _, kind := range []work.Backlog{work.Waiting, work.Prioritized, work.Delayed} {
		all = append(all, experiment{
			id: "backlog/" + string(kind), rounds: o.rounds, cost: takes(30, 4),
			run: func(ctx context.Context, l *lab, rounds int) error { return l.backlog(ctx, kind, rounds) },
		})
	}
	all = append(all, experiment{
		id: "http", rounds: o.rounds, cost: takes(90, 7),
		run: func(ctx context.Context, l *lab, rounds int) error { return l.http(ctx, rounds) },
	})
	all = append(all, ofPlans(o, mixtures(o))...)
	all = append(all, ofPlans(o, logging(server.EverySec, o.scaled(30_000), o.scaled(10_000), o.scaled(20_000)))...)
	if o.quick {
		for i := range all {
			all[i].cost.once, all[i].cost.round = all[i].cost.once/4, all[i].cost.round/4
		}
	}
	return all
}

// ofPlans gives plans what they have in common.
func ofPlans(o options, plans []plan) []experiment {
	var all []experiment
	for _, p := range plans {
		p.systems, p.work.Queue = everybody(), "bench"
		if p.rounds == 0 {
			p.rounds = o.rounds
		}
		all = append(all, experiment{p.id, p.rounds, p.cost, func(ctx context.Context, l *lab, rounds int) error {
			return l.compare(ctx, p, rounds)
		}})
	}
	return all
}

// takes is a cost in seconds. Samples have a size that takes a second or two.
func takes(once, round float64) cost {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return cost{seconds(once), seconds(round)}
}

// inMemory are adding and draining on a server that keeps no log.
func inMemory(o options) []plan {
	n := o.scaled
	return []plan{
		{id: "add/1", work: work.Work{Kind: work.Add, Jobs: n(8_000), Producers: 1}, cost: takes(8, 3)},
		{id: "add/50", work: work.Work{Kind: work.Add, Jobs: n(60_000), Producers: 50}, cost: takes(12, 5)},
		{id: "bulk", work: work.Work{Kind: work.Bulk, Jobs: n(60_000)}, cost: takes(12, 5)},
		drain(1, n(6_000), takes(16, 6)), drain(5, n(15_000), takes(16, 6)),
		drain(10, n(20_000), takes(20, 7)), drain(100, n(30_000), takes(20, 8)),
	}
}

// timed are those that go by the clock.
func timed(o options) []plan {
	return []plan{
		{id: "pickup", work: work.Work{Kind: work.Pickup, Rate: 200, Seconds: o.short(10), Concurrency: 10}, cost: takes(20, 33)},
		{id: "due", work: work.Work{Kind: work.Due, Jobs: o.scaled(10_000), Concurrency: 100, Seconds: o.short(4)}, cost: takes(14, 19)},
		{id: "idle", work: work.Work{Kind: work.Idle, Queues: 3, Concurrency: 5, Seconds: o.short(20)}, rounds: min(o.rounds, 3), cost: takes(22, 66)},
	}
}

// mixtures are works that are mixed of others.
func mixtures(o options) []plan {
	return []plan{
		{id: "mixed", work: work.Work{Kind: work.Mixed, Jobs: o.scaled(15_000), Producers: 10, Concurrency: 10}, cost: takes(16, 7)},
		{id: "retries", work: work.Work{Kind: work.Retries, Jobs: o.scaled(4_000), Concurrency: 10}, cost: takes(16, 7)},
	}
}

// logging are three works on a server that keeps a log.
func logging(f server.Fsync, adds, drains10, drains100 int) []plan {
	return []plan{
		plan{id: "add/50", work: work.Work{Kind: work.Add, Jobs: adds, Producers: 50}, cost: takes(12, 5)}.with(f),
		drain(10, drains10, takes(20, 8)).with(f), drain(100, drains100, takes(20, 8)).with(f),
	}
}

func drain(concurrency, jobs int, c cost) plan {
	return plan{
		id:   fmt.Sprintf("drain/%d", concurrency),
		work: work.Work{Kind: work.Drain, Jobs: jobs, Concurrency: concurrency},
		cost: c,
	}
}

// with is the plan on a server that keeps a log.
func (p plan) with(f server.Fsync) plan {
	p.id, p.fsync = string(f)+"/"+p.id, f
	return p
}
