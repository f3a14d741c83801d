package main

import (
	"strings"
	"testing"
	"time"
)

// three workloads that take 10 s, and 10 s more for each of five rounds.
func three() []experiment {
	e := experiment{rounds: 5, cost: cost{once: 10 * time.Second, round: 10 * time.Second}}
	return []experiment{e, e, e}
}

func TestRoundsAreDroppedInsteadOfOverrunning(t *testing.T) {
	tests := map[string]struct {
		budget, since time.Duration
		slow          float64
		wanted, want  int
	}{
		"no limit":                         {0, time.Hour, 1, 5, 5},
		"time for all":                     {180 * time.Second, 0, 1, 5, 5},
		"a second short":                   {179 * time.Second, 0, 1, 5, 4},
		"some of it is gone":               {180 * time.Second, 30 * time.Second, 1, 5, 4},
		"a slow machine":                   {180 * time.Second, 0, 1.5, 5, 3},
		"a fast machine is not counted on": {150 * time.Second, 0, 0.5, 5, 4},
		"only the first, with the fewest":  {40 * time.Second, 0, 1, 5, 3},
		"which a slow machine may try":     {40 * time.Second, 0, 10, 5, 3},
		"not even that":                    {39 * time.Second, 0, 1, 5, 0},
		"the time is over":                 {time.Minute, 2 * time.Minute, 1, 5, 0},
		"one that wants few keeps them":    {30 * time.Second, 0, 1, 2, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			todo := three()
			todo[0].rounds = test.wanted
			p := pace{budget: test.budget, expected: time.Minute, spent: time.Duration(test.slow * float64(time.Minute))}
			if got := p.rounds(test.since, todo); got != test.want {
				t.Errorf("%d rounds, want %d", got, test.want)
			}
		})
	}
}

func TestEveryRoundOfAFullRunFitsIntoHalfAnHour(t *testing.T) {
	o, err := parse(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if takes := costOf(experiments(o), o.rounds); takes > 30*time.Minute {
		t.Errorf("it is expected to take %v", takes)
	}
	for _, e := range experiments(o) {
		if e.cost.round <= 0 {
			t.Errorf("%s has no cost", e.id)
		}
	}
}

func TestThePlanSaysWhenEachBegins(t *testing.T) {
	todo := three()
	for i, id := range []string{"a", "b", "c"} {
		todo[i].id = id
	}
	var out strings.Builder
	if err := announce(&out, pace{budget: 140 * time.Second}, todo); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := "begins takes rounds workload\n0s 40s 3 a\n40s 50s 4 b\n1m30s 50s 4 c\n2m20s end"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}
