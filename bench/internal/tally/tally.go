package tally

import (
	"encoding/json"
	"slices"
)

// Tally holds the samples of a run.
type Tally struct{ rows []row }

// row is all samples of one metric of one workload on one system.
type row struct {
	Workload string    `json:"workload"`
	System   System    `json:"system"`
	Metric   Metric    `json:"metric"`
	Values   []float64 `json:"values"`
}

// Add notes one round.
func (t *Tally) Add(workload string, s System, sample Sample) {
	for metric, value := range sample {
		r := t.find(workload, s, metric)
		if r == nil {
			t.rows = append(t.rows, row{Workload: workload, System: s, Metric: metric})
			r = &t.rows[len(t.rows)-1]
		}
		r.Values = append(r.Values, value)
	}
}

func (t *Tally) find(workload string, s System, m Metric) *row {
	for i := range t.rows {
		if r := &t.rows[i]; r.Workload == workload && r.System == s && r.Metric == m {
			return r
		}
	}
	return nil
}

// MarshalJSON writes every sample, by workload, system and metric.
func (t *Tally) MarshalJSON() ([]byte, error) {
	rows := slices.Clone(t.rows)
	slices.SortStableFunc(rows, func(a, b row) int {
		return slices.Compare([]string{a.Workload, string(a.System), string(a.Metric)}, []string{b.Workload, string(b.System), string(b.Metric)})
	})
	return json.Marshal(rows)
}

// Summary is what rounds come to.
type Summary struct {
	Median, Min, Max float64
	Rounds           int
}

// Of summarises a metric; ok is false when it was not measured.
func (t *Tally) Of(workload string, s System, m Metric) (summary Summary, ok bool) {
	r := t.find(workload, s, m)
	if r == nil {
		return Summary{}, false
	}
	return summarise(r.Values), true
}

// summarise needs at least one value.
func summarise(values []float64) Summary {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Summary{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Rounds: n}
}

// Ratio is Tandem's median by another's; ok is false when one was not measured,
// or the other's is zero.
func (t *Tally) Ratio(workload string, m Metric, other System) (ratio float64, ok bool) {
	return t.ratio(place{workload, Tandem, m}, place{workload, other, m})
}

type place struct {
	workload string
	system   System
	metric   Metric
}

func (t *Tally) ratio(a, b place) (float64, bool) {
	above, okAbove := t.Of(a.workload, a.system, a.metric)
	below, okBelow := t.Of(b.workload, b.system, b.metric)
	if !okAbove || !okBelow || below.Median == 0 {
		return 0, false
	}
	return above.Median / below.Median, true
}
