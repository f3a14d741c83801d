package main

import (
	"context"
	"fmt"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

// experiment is something that -only can choose.
type experiment struct {
	id  string
	run func(ctx context.Context, l *lab) error
}

// plan is a work for several systems.
type plan struct {
	id      string
	work    work.Work
	fsync   server.Fsync
	systems []tally.System
	rounds  int
}

// everybody is who is compared, ours first.
func everybody() []tally.System { return []tally.System{tally.Tandem, tally.BullMQ, tally.Asynq} }

// experiments are all of them, in the order in which they run.
func experiments(o options) []experiment {
	var all []experiment
	for _, p := range plans(o) {
		all = append(all, experiment{p.id, func(ctx context.Context, l *lab) error { return l.compare(ctx, p) }})
	}
	for _, kind := range []work.Backlog{work.Waiting, work.Prioritized, work.Delayed} {
		all = append(all, experiment{"backlog/" + string(kind), func(ctx context.Context, l *lab) error { return l.backlog(ctx, kind) }})
	}
	return append(all, experiment{"http", func(ctx context.Context, l *lab) error { return l.http(ctx) }})
}

// plans are the works that every system does.
func plans(o options) []plan {
	n := o.scaled
	list := []plan{
		{id: "add/1", work: work.Work{Kind: work.Add, Jobs: n(5_000), Producers: 1}},
		{id: "add/50", work: work.Work{Kind: work.Add, Jobs: n(20_000), Producers: 50}},
		{id: "bulk", work: work.Work{Kind: work.Bulk, Jobs: n(20_000)}},
		drain(1, n(4_000)), drain(5, n(6_000)), drain(10, n(10_000)), drain(100, n(20_000)),
		{id: "mixed", work: work.Work{Kind: work.Mixed, Jobs: n(10_000), Producers: 10, Concurrency: 10}},
		{id: "retries", work: work.Work{Kind: work.Retries, Jobs: n(1_000), Concurrency: 10}},
		{id: "pickup", work: work.Work{Kind: work.Pickup, Rate: 200, Seconds: o.short(10), Concurrency: 10}},
		{id: "due", work: work.Work{Kind: work.Due, Jobs: n(10_000), Concurrency: 100, Seconds: o.short(4)}},
		{id: "idle", work: work.Work{Kind: work.Idle, Queues: 3, Concurrency: 5, Seconds: o.short(20)}, rounds: min(o.rounds, 3)},
	}
	for _, f := range []server.Fsync{server.EverySec, server.Always} {
		list = append(list,
			plan{id: "add/50", work: work.Work{Kind: work.Add, Jobs: n(10_000), Producers: 50}}.with(f),
			drain(10, n(4_000)).with(f), drain(100, n(10_000)).with(f))
	}
	for i := range list {
		list[i].systems = everybody()
		list[i].work.Queue = "bench"
		if list[i].rounds == 0 {
			list[i].rounds = o.rounds
		}
	}
	return list
}

func drain(concurrency, jobs int) plan {
	return plan{
		id:   fmt.Sprintf("drain/%d", concurrency),
		work: work.Work{Kind: work.Drain, Jobs: jobs, Concurrency: concurrency},
	}
}

// with is the plan on a server that keeps a log.
func (p plan) with(f server.Fsync) plan {
	p.id, p.fsync = string(f)+"/"+p.id, f
	return p
}
