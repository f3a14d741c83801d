package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-only", "("}, {"-backlog", "1"}, {"-for", "-1s"}, {"dance"}, {"-dance"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}

// The tables of one workload must not take the place of all the others.
func TestAPartOfARunLeavesThePageAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	for _, test := range []struct {
		args    []string
		written bool
	}{
		{nil, true},
		{[]string{"-rounds", "3"}, true},
		{[]string{"-only", "^drain/1$"}, false},
		{[]string{"-quick"}, false},
	} {
		before := tally.Begin + "the whole" + tally.End
		if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := parse(append(test.args, "-write", path), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		report, err := (&lab{options: o, tally: &tally.Tally{}, begun: time.Now()}).publish()
		if err != nil || report == "" {
			t.Errorf("%q: report %q, error %v", test.args, report, err)
		}
		after, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if written := string(after) != before; written != test.written {
			t.Errorf("%q: the page is written: %t, want %t", test.args, written, test.written)
		}
	}
}

func TestAFullRunHasFiveRounds(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range experiments(o) {
		if want := map[bool]int{true: 3, false: 5}[e.id == "idle"]; e.rounds != want {
			t.Errorf("%s has %d rounds, want %d", e.id, e.rounds, want)
		}
	}
}

// measured is a run of experiments that do nothing but what run says, and the
// page that was written, as it was after each of them and at the end.
func measured(t *testing.T, ctx context.Context, budget time.Duration, run map[string]func(context.Context, *lab, int) error) (pages []string, failures []error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte(tally.Begin+tally.End), 0o644); err != nil {
		t.Fatal(err)
	}
	page := func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	l := &lab{
		options: options{budget: budget, write: path}, tally: &tally.Tally{}, begun: time.Now(),
		log: slog.New(slog.DiscardHandler), root: "/home/somebody",
	}
	var todo []experiment
	for _, id := range slices.Sorted(maps.Keys(run)) {
		todo = append(todo, experiment{id: id, rounds: 5, cost: cost{round: time.Second}, run: func(ctx context.Context, l *lab, rounds int) error {
			pages = append(pages, page())
			return run[id](ctx, l, rounds)
		}})
	}
	failures = l.measureAll(ctx, todo)
	return append(pages, page()), failures
}

func drained(_ context.Context, l *lab, rounds int) error {
	for range rounds {
		l.tally.Add("drain/1", tally.Tandem, tally.Sample{tally.Rate: 5000})
	}
	return nil
}

func TestAFailureIsToldAndTakesNothingWithIt(t *testing.T) {
	failing := errors.New("no node in /home/somebody/bin\n  at line 1")
	pages, failures := measured(t, t.Context(), 0, map[string]func(context.Context, *lab, int) error{
		"1": func(context.Context, *lab, int) error { return failing }, "2": drained,
	})
	last := pages[len(pages)-1]
	if len(failures) != 1 || !errors.Is(failures[0], failing) {
		t.Errorf("failures %v", failures)
	}
	if !strings.Contains(last, "`1`: failed: no node in …/bin\n") || !strings.Contains(last, "| drain, concurrency 1 | 5,000") {
		t.Errorf("page:\n%s", last)
	}
}

func TestThePageIsWrittenAsFarAsTheRunHasGot(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	pages, failures := measured(t, ctx, 0, map[string]func(context.Context, *lab, int) error{
		"1": drained,
		"2": func(context.Context, *lab, int) error {
			interrupt(errors.New("somebody came"))
			return ctx.Err()
		},
		"3": drained,
	})
	if !strings.Contains(pages[1], "still to come: `2`, `3`") || !strings.Contains(pages[1], "| drain, concurrency 1 | 5,000") {
		t.Errorf("after the first:\n%s", pages[1])
	}
	last := pages[len(pages)-1]
	if strings.Contains(last, "still to come") || !strings.Contains(last, "`2`: stopped half way: somebody came") ||
		!strings.Contains(last, "`3`: not measured: somebody came") {
		t.Errorf("at the end:\n%s", last)
	}
	if len(pages) != 3 || len(failures) != 2 {
		t.Errorf("%d pages, failures %v", len(pages), failures)
	}
}

func TestFewerRoundsAreTold(t *testing.T) {
	var got []int
	count := func(_ context.Context, _ *lab, rounds int) error {
		got = append(got, rounds)
		return nil
	}
	pages, failures := measured(t, t.Context(), 7500*time.Millisecond, map[string]func(context.Context, *lab, int) error{"1": count, "2": count})
	if want := []int{3, 5}; !slices.Equal(got, want) || len(failures) > 0 {
		t.Errorf("rounds %v, want %v; %v", got, want, failures)
	}
	if last := pages[len(pages)-1]; !strings.Contains(last, "`1`: 3 rounds, for want of time") {
		t.Errorf("page:\n%s", last)
	}
}

func TestServicesHaveTheMemoryLimitsOfTheirPods(t *testing.T) {
	for name, limit := range memoryLimits() {
		pod, err := os.ReadFile(filepath.Join("../../../deploy/k8s/base", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if want := "{name: GOMEMLIMIT, value: " + limit + "}"; !strings.Contains(string(pod), want) || strings.Contains(string(pod), "GOGC") {
			t.Errorf("%s has %s, its pod something else", name, limit)
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
