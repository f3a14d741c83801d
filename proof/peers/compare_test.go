package peers_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/peers"
	"github.com/tandemq/tandem/proof/task"
)

// healing is how long a queue has, when all faults are over, to finish its jobs.
const healing = 200 * time.Second

// The scenes. Together they take seven minutes.
var (
	losses = scene{
		workers: 1, lossy: true, patience: time.Minute,
		orders: each(4, orders{name: "added", n: 2500, made: true}),
	}
	outages = []time.Duration{2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}
	deaths  = scene{
		workers: 3, plan: kills, patience: healing,
		orders: each(1, orders{name: "held", n: 240, rate: 3, parallel: 4, mix: taking(3 * time.Second)}),
	}
	storms = scene{
		workers: 4, plan: mixed, patience: healing,
		orders: each(2, orders{name: "mixed", n: 3000, rate: 15, parallel: 16,
			mix: task.Mix{Work: 150 * time.Millisecond, Long: 20, LongFor: 2 * time.Second}}),
	}
)

// outageOf leaves so many jobs in Redis that workers have something to do when
// it is back, whatever producers do.
func outageOf(away time.Duration) scene {
	return scene{
		workers: 1, stocked: true, plan: outage(away), patience: healing,
		orders: each(1, orders{name: "stored", n: 150, mix: taking(500 * time.Millisecond)}),
	}
}

// each makes orders for n producers.
func each(n int, o orders) (all []orders) {
	for i := range n {
		mine := o
		mine.name = fmt.Sprint(o.name, i)
		all = append(all, mine)
	}
	return all
}

// The same faults for Tandem, BullMQ and asynq, and what came of them. It fails
// when ours breaks a promise; of the others it only tells.
func TestBesideItsPeers(t *testing.T) {
	if !*full {
		t.Skip("takes six minutes: make peers")
	}
	var added, died, stormed []outcome
	var back [][]outcome
	t.Run("busy", func(t *testing.T) { added = losses.start(t, "adds") })
	t.Run("mostly waiting", func(t *testing.T) {
		stormed = storms.start(t, "storm")
		died = deaths.start(t, "deaths")
		for _, away := range outages {
			back = append(back, outageOf(away).start(t, away.String()))
		}
	})
	all := slices.Concat(append(back, added, died, stormed)...)
	if t.Failed() || slices.ContainsFunc(all, func(o outcome) bool { return o.Report == nil }) {
		return // or else -run has left something out
	}
	c := &peers.Comparison{Seed: *seed, Rows: slices.Concat(ofStorm(stormed), ofDeaths(died), ofOutages(back), ofAdds(added))}
	for _, p := range columns() {
		c.Peers = append(c.Peers, strings.TrimSpace(p.name+" "+p.version(t)))
	}
	t.Logf("%+v", c)
	if *out != "" {
		must(t, c.Save(*out))
	}
}

// start plays a scene with all peers at once, as parallel tests of t. The
// outcomes are there when t has ended.
func (sc scene) start(t *testing.T, name string) []outcome {
	var mu sync.Mutex // guards outcomes
	outcomes := make([]outcome, len(columns()))
	for i, p := range columns() {
		t.Run(name+"/"+p.name, func(t *testing.T) {
			t.Parallel()
			got := sc.play(t, p)
			if p.name == "Tandem" && len(broken(got.Report)) > 0 {
				t.Errorf("promises broken: %v", broken(got.Report))
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[i] = got
		})
	}
	return outcomes
}

// broken are the kinds of what was found.
func broken(r *check.Report) (kinds []check.Kind) {
	for _, kind := range check.Kinds() {
		if r.Counts[kind] > 0 {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func ofStorm(all []outcome) []peers.Row {
	return []peers.Row{
		row("the storm: jobs", all, func(o outcome) string {
			return fmt.Sprintf("%d in %d faults, %d deaths of processes", o.Jobs, o.Faults, o.Deaths)
		}),
		counted("acknowledged, and lost", all, check.Lost),
		counted(fmt.Sprintf("not finished %d s after everything had healed", int(healing.Seconds())), all, check.Stuck),
		counted("failed for another's fault", all, check.Innocent),
		counted("started again while the attempt before held its lease", all, check.SecondStart),
		row("effects done again although their worker was well", all, func(o outcome) string { return fmt.Sprint(o.again) }),
		row("effects done again with or without cause", all, func(o outcome) string { return fmt.Sprint(o.Repeated) }),
		counted("adds that failed, or were called a repetition, for no reason", all, check.FalseError),
		row("other findings", all, others),
		row("from the acknowledgement to the first start", all, func(o outcome) string {
			return fmt.Sprintf("half within %s, all within %s", seconds(o.Wait.P50), seconds(o.Wait.Max))
		}),
	}
}

// others are the findings of a storm that have no row of their own.
func others(o outcome) string {
	shown := []check.Kind{check.Lost, check.Stuck, check.Innocent, check.SecondStart, check.FalseError}
	var words []string
	for _, kind := range broken(o.Report) {
		if !slices.Contains(shown, kind) {
			words = append(words, fmt.Sprintf("%d %s", o.Counts[kind], kind))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}

func ofDeaths(all []outcome) []peers.Row {
	return []peers.Row{row("jobs of a killed worker run again", all, func(o outcome) string {
		return fmt.Sprintf("half within %s, all within %s; %d jobs of %d workers", seconds(o.Recovery.P50), seconds(o.Recovery.Max), o.Recovery.N, o.Deaths)
	})}
}

func ofOutages(back [][]outcome) []peers.Row {
	first := peers.Row{What: "the first stored job runs when Redis is back"}
	again := peers.Row{What: "jobs that ran while Redis was away, and had to be done again"}
	for i := range columns() {
		var words []string
		repeated := 0
		for k, away := range outages {
			words = append(words, fmt.Sprintf("%s after %d s", seconds(back[k][i].Resume.Max), int(away.Seconds())))
			repeated += back[k][i].Repeated
		}
		first.Measured = append(first.Measured, strings.Join(words, ", "))
		again.Measured = append(again.Measured, fmt.Sprintf("%d in %d outages", repeated, len(outages)))
	}
	return []peers.Row{first, again}
}

func ofAdds(all []outcome) []peers.Row {
	of := func(n func(outcome) int) func(outcome) string {
		return func(o outcome) string { return fmt.Sprintf("%d of %d, %d replies lost", n(o), o.Jobs, o.lost) }
	}
	return []peers.Row{
		row("adds with 1 % lost replies: duplicates", all, of(func(o outcome) int { return o.Counts[check.Duplicate] })),
		row("adds with 1 % lost replies: false errors", all, of(func(o outcome) int { return o.Counts[check.FalseError] + o.Unsure })),
	}
}

func row(what string, all []outcome, measured func(outcome) string) peers.Row {
	r := peers.Row{What: what}
	for _, o := range all {
		r.Measured = append(r.Measured, measured(o))
	}
	return r
}

func counted(what string, all []outcome, kind check.Kind) peers.Row {
	return row(what, all, func(o outcome) string { return fmt.Sprint(o.Counts[kind]) })
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
