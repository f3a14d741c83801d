package main

import (
	"io"
	"testing"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-only", "("}, {"-backlog", "1"}, {"dance"}, {"-dance"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

func TestAFullRunHasAtLeastFiveRounds(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans(o) {
		if p.rounds < 5 && p.work.Kind != work.Idle {
			t.Errorf("%s has %d rounds", p.id, p.rounds)
		}
		if len(p.systems) != 3 {
			t.Errorf("%s is for %v", p.id, p.systems)
		}
	}
}

func TestEveryGoalIsSeenInATable(t *testing.T) {
	type shown struct {
		workload string
		metric   tally.Metric
	}
	rows := map[shown]bool{}
	for _, s := range sections(options{}) {
		for _, r := range s.Rows {
			rows[shown{r.Workload, r.Metric}] = true
		}
	}
	for _, g := range tally.Goals() {
		if !rows[shown{g.Workload, g.Metric}] {
			t.Errorf("no table shows %s of %s, %s", g.Metric, g.Workload, g)
		}
		if g.Than != "" && !rows[shown{g.Than, g.Metric}] {
			t.Errorf("no table shows %s of %s", g.Metric, g.Than)
		}
	}
}

func TestASampleIsPerJob(t *testing.T) {
	got := sample(
		work.Result{Jobs: 100, Seconds: 2, CPUMicros: 500, RSSBytes: 3 << 20, P50Ms: 1, P99Ms: 2},
		server.Usage{CPUMicros: 1000, Commands: 700, Scripts: 5, Memory: 40_000},
	)
	wanted := tally.Sample{
		tally.Rate: 50, tally.RedisMicros: 10, tally.Commands: 7, tally.Scripts: 0.05, tally.ClientMicros: 5,
		tally.MemoryPerJob: 400, tally.RSS: 3, tally.P50: 1, tally.P99: 2, tally.PerSecond: 350,
	}
	for metric, want := range wanted {
		if got[metric] != want {
			t.Errorf("%s is %v, want %v", metric, got[metric], want)
		}
	}
	if idle := sample(work.Result{Seconds: 2}, server.Usage{Commands: 8}); idle[tally.PerSecond] != 4 || len(idle) != 2 {
		t.Errorf("without jobs: %v", idle)
	}
}
