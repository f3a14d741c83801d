package tally

import "fmt"

// Goal is what a metric of Tandem should be: a number, or a multiple of what
// another system, or Tandem at another workload, has.
type Goal struct {
	Workload string
	Metric   Metric
	AtLeast  bool // otherwise at most
	Limit    float64

	// Times makes the limit a multiple of this system's median; Than of this
	// workload's, on Tandem. At most one of them.
	Times System
	Than  string
}

// Judgement is how a goal was met.
type Judgement struct {
	Goal
	Measured bool
	Value    float64 // in the goal's terms: a number, or a multiple
	Met      bool
}

// Judge compares a goal with medians, as exactly as tables show them: a thousand
// jobs drained one by one are a thousand and one calls, which is 1.00 a job.
func (t *Tally) Judge(g Goal) Judgement {
	j := Judgement{Goal: g}
	value, measured := t.inTermsOf(g)
	j.Value, j.Measured = asShown(value), measured
	j.Met = j.Measured && (g.AtLeast && j.Value >= g.Limit || !g.AtLeast && j.Value <= g.Limit)
	return j
}

func (t *Tally) inTermsOf(g Goal) (float64, bool) {
	ours := place{g.Workload, Tandem, g.Metric}
	switch {
	case g.Times != "":
		return t.ratio(ours, place{g.Workload, g.Times, g.Metric})
	case g.Than != "":
		return t.ratio(ours, place{g.Than, Tandem, g.Metric})
	}
	summary, ok := t.Of(ours.workload, ours.system, ours.metric)
	return summary.Median, ok
}

// String is the goal in words, without its subject: "≥ 2.5× BullMQ".
func (g Goal) String() string {
	sign := "≤"
	if g.AtLeast {
		sign = "≥"
	}
	switch {
	case g.Times != "":
		return fmt.Sprintf("%s %s× %s", sign, plain(g.Limit), g.Times)
	case g.Than != "":
		return fmt.Sprintf("%s %s× the small one", sign, plain(g.Limit))
	}
	return sign + " " + plain(g.Limit)
}

// Verdict is the goal and whether it is met.
func (j Judgement) Verdict() string {
	switch {
	case !j.Measured:
		return j.String() + ": not measured"
	case j.Met:
		return j.String() + ": met"
	case j.Times != "" || j.Than != "":
		return fmt.Sprintf("%s: **not met** (%s×)", j, number(j.Value))
	}
	return fmt.Sprintf("%s: **not met** (%s)", j, number(j.Value))
}
