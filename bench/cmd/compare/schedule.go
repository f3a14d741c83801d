package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// fewest is how many rounds a workload has at least: of two there is no middle.
const fewest = 3

// cost is what a workload takes with all its systems, on two quiet cores.
type cost struct {
	once  time.Duration // starting, filling, warming up, ending
	round time.Duration
}

func (c cost) of(rounds int) time.Duration { return c.once + time.Duration(rounds)*c.round }

// pace decides how many rounds there is time for.
type pace struct {
	budget time.Duration // for everything; 0 is no limit

	expected, spent time.Duration // of the workloads that have been measured
}

// note says what a workload took.
func (p *pace) note(e experiment, rounds int, took time.Duration) {
	p.expected += e.cost.of(rounds)
	p.spent += took
}

// rounds is how many the first of todo gets: as many as it wants if all of todo
// can have as many in the time that is left, otherwise fewer. It is 0 when the
// first could not have the fewest even on a machine as fast as the costs say: a
// slow one begins it all the same, and is stopped when the time is over.
func (p *pace) rounds(since time.Duration, todo []experiment) int {
	wanted := todo[0].rounds
	if p.budget == 0 {
		return wanted
	}
	left := p.budget - since
	least := min(fewest, wanted)
	for rounds := wanted; rounds > least; rounds-- {
		if time.Duration(float64(costOf(todo, rounds))*p.slowness()) <= left {
			return rounds
		}
	}
	if todo[0].cost.of(least) <= left {
		return least
	}
	return 0
}

// slowness is how much longer this machine takes than the costs say. A faster
// one is not counted on.
func (p *pace) slowness() float64 {
	if p.expected == 0 {
		return 1
	}
	return max(1, p.spent.Seconds()/p.expected.Seconds())
}

// costOf is what several workloads take with at most so many rounds each.
func costOf(todo []experiment, rounds int) time.Duration {
	var sum time.Duration
	for _, e := range todo {
		sum += e.cost.of(min(rounds, e.rounds))
	}
	return sum
}

// announce prints what is going to be measured, and when each begins if the
// machine is as fast as the costs say.
func announce(out io.Writer, p pace, todo []experiment) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "begins\ttakes\trounds\t  workload\n")
	var at time.Duration
	for i, e := range todo {
		rounds := p.rounds(at, todo[i:])
		var takes time.Duration
		if rounds > 0 {
			takes = e.cost.of(rounds)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t  %s\n", at.Round(time.Second), takes.Round(time.Second), rounds, e.id)
		at += takes
	}
	fmt.Fprintf(table, "%s\t\t\t  end\n", at.Round(time.Second))
	return table.Flush()
}
