package storm_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/promises"
)

const (
	stormName = "mixed storm: broken promises"
	stormGoal = "0 lost, stuck, doubled, falsely refused, started without cause, finished twice, failed for another's fault"
)

// rows are what the documentation tells of a storm in which so many things
// happened that no fault explains.
func rows(r *check.Report, problems int, size string) []promises.Row {
	measured := broken(r)
	if problems > 0 {
		measured += fmt.Sprintf(", and %d things that no fault explains", problems)
	}
	return []promises.Row{
		{Name: stormName, Goal: stormGoal, Measured: measured, N: r.Jobs, Of: size, Holds: r.Clean() && problems == 0},
		timed("mixed storm: first job after the server is back", "half within 0.3 s, all within 3 s, while workers die and links fail", r.Resume,
			"returns of the server", r.Resume.N > 0 && r.Resume.P50 <= 300*time.Millisecond && r.Resume.Max <= 3*time.Second),
	}
}

// broken counts what was found, by kind.
func broken(r *check.Report) string {
	var words []string
	for _, kind := range check.Kinds() {
		if n := r.Counts[kind]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, kind))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "0")
}

func timed(name, goal string, s check.Spread, of string, holds bool) promises.Row {
	measured := fmt.Sprintf("half within %.2f s, all within %.2f s", s.P50.Seconds(), s.Max.Seconds())
	return promises.Row{Name: name, Goal: goal, Measured: measured, N: s.N, Of: of, Holds: holds}
}

// publish prints the rows, and saves them where that was asked for. Those of a
// test that has failed show nothing, whatever was counted. In a campaign a row
// that does not hold fails its test, so that the evidence stays.
func publish(t *testing.T, all []promises.Row) {
	t.Helper()
	var red []string
	for _, row := range all {
		if !row.Holds {
			red = append(red, row.Name)
		}
		row.Seed, row.Small, row.Holds = *seed, !*campaign, row.Holds && !t.Failed()
		line, err := row.Line()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(line)
		if *out == "" {
			continue
		}
		if err := row.Save(*out); err != nil {
			t.Fatal(err)
		}
	}
	if *campaign && len(red) > 0 {
		t.Errorf("does not hold: %s", strings.Join(red, ", "))
	}
}
