package tally

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Section is a table of the page: rows of workloads and metrics, a column for
// each system, the ratios of Tandem to the others, and the goals.
type Section struct {
	Title   string
	Words   string // what to know to read it; may be empty
	Systems []System
	Rows    []Row
}

// Row is one metric of one workload.
type Row struct {
	Workload, Label string
	Metric          Metric
}

// Markdown is the section as text; "" when nothing of it was measured.
func (t *Tally) Markdown(s Section, goals []Goal) string {
	var lines []string
	for _, r := range s.Rows {
		if _, ok := t.Of(r.Workload, Tandem, r.Metric); ok {
			lines = append(lines, t.line(s.Systems, r, goals))
		}
	}
	if len(lines) == 0 {
		return ""
	}
	var text strings.Builder
	fmt.Fprintf(&text, "### %s\n\n", s.Title)
	if s.Words != "" {
		text.WriteString(s.Words + "\n\n")
	}
	text.WriteString(head(s.Systems) + strings.Join(lines, ""))
	return text.String()
}

func head(systems []System) string {
	names, rules := "| |", "|---|"
	for _, s := range systems {
		names += " " + string(s) + " |"
		rules += "---|"
	}
	for _, s := range systems[1:] {
		names += " × " + string(s) + " |"
		rules += "---|"
	}
	return names + " goal |\n" + rules + "---|\n"
}

func (t *Tally) line(systems []System, r Row, goals []Goal) string {
	cells := []string{r.Label}
	for _, s := range systems {
		cells = append(cells, t.cell(r, s))
	}
	for _, s := range systems[1:] {
		cells = append(cells, t.ratioCell(r, s))
	}
	cells = append(cells, t.verdicts(r, goals))
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func (t *Tally) cell(r Row, s System) string {
	summary, ok := t.Of(r.Workload, s, r.Metric)
	switch {
	case !ok:
		return "–"
	case summary.Rounds == 1:
		return number(summary.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(summary.Median), number(summary.Min), number(summary.Max))
}

func (t *Tally) ratioCell(r Row, s System) string {
	ratio, ok := t.Ratio(r.Workload, r.Metric, s)
	if !ok {
		return "–"
	}
	return number(ratio)
}

func (t *Tally) verdicts(r Row, goals []Goal) string {
	var verdicts []string
	for _, g := range goals {
		if g.Workload == r.Workload && g.Metric == r.Metric {
			verdicts = append(verdicts, t.Judge(g).Verdict())
		}
	}
	return strings.Join(verdicts, "; ")
}

// Behind lists the rows in which another system's median is better than ours.
func (t *Tally) Behind(s Section) []string {
	var rows []string
	for _, r := range s.Rows {
		for _, other := range s.Systems {
			if t.ahead(r, other) {
				rows = append(rows, s.Title+", "+r.Label+": "+string(other)+" has "+t.cell(r, other)+", Tandem "+t.cell(r, Tandem))
			}
		}
	}
	return rows
}

// ahead reports whether a peer does better. The bare handler is no peer, and a
// first start that is later is no merit.
func (t *Tally) ahead(r Row, other System) bool {
	ours, measured := t.Of(r.Workload, Tandem, r.Metric)
	theirs, measuredToo := t.Of(r.Workload, other, r.Metric)
	if !measured || !measuredToo || other == Bare || r.Metric == Earliest {
		return false
	}
	if r.Metric.MoreIsBetter() {
		return theirs.Median > ours.Median
	}
	return theirs.Median < ours.Median
}

// Judged counts the goals that were measured, and returns those not met.
func (t *Tally) Judged(goals []Goal) (measured int, missed []Judgement) {
	for _, g := range goals {
		j := t.Judge(g)
		if j.Measured {
			measured++
		}
		if j.Measured && !j.Met {
			missed = append(missed, j)
		}
	}
	return measured, missed
}

// number has three digits that matter, and commas between thousands.
func number(v float64) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', digits(v), 64), ".")
	if fraction != "" {
		fraction = "." + fraction
	}
	return thousands(whole) + fraction
}

// asShown is the value that number writes.
func asShown(v float64) float64 {
	scale := math.Pow10(digits(v))
	return math.Round(v*scale) / scale
}

// digits is how many of a number are shown after its point.
func digits(v float64) int {
	switch size := math.Abs(v); {
	case size == 0 || size >= 100:
		return 0
	case size >= 10:
		return 1
	case size >= 1:
		return 2
	}
	return 3
}

// Count is a whole number with commas between thousands.
func Count(n int) string { return thousands(strconv.Itoa(n)) }

func thousands(whole string) string {
	digits := strings.TrimPrefix(whole, "-")
	var groups []string
	for len(digits) > 3 {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return whole[:len(whole)-len(strings.TrimPrefix(whole, "-"))] + strings.Join(groups, ",")
}

// plain is a number as a person would write it.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
