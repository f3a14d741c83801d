package tally

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestRoundsComeToTheirMedianAndRange(t *testing.T) {
	tests := map[string]struct {
		values []float64
		want   Summary
	}{
		"one":               {[]float64{4}, Summary{4, 4, 4, 1}},
		"odd":               {[]float64{9, 1, 5}, Summary{5, 1, 9, 3}},
		"even":              {[]float64{4, 1, 2, 9}, Summary{3, 1, 9, 4}},
		"an outlier":        {[]float64{10, 11, 12, 11, 900}, Summary{11, 10, 900, 5}},
		"below and at zero": {[]float64{-3, 0, -1}, Summary{-1, -3, 0, 3}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			given := append([]float64(nil), test.values...)
			if diff := cmp.Diff(test.want, summarise(test.values)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(given, test.values); diff != "" {
				t.Errorf("the samples changed:\n%s", diff)
			}
		})
	}
}

// measured is a tally with some of everything.
func measured() *Tally {
	var t Tally
	for _, rate := range []float64{30_000, 38_000.4, 35_000} {
		t.Add("drain/100", Tandem, Sample{Rate: rate, RedisMicros: 21.26})
	}
	t.Add("drain/100", BullMQ, Sample{Rate: 9_000, RedisMicros: 95})
	t.Add("drain/100", Asynq, Sample{Rate: 4_000, RedisMicros: 20})
	t.Add("add/1", Tandem, Sample{Rate: 7_000})
	t.Add("add/1", BullMQ, Sample{Rate: 4_000})
	t.Add("add/1", Asynq, Sample{Rate: 12_000})
	t.Add("idle", Tandem, Sample{PerSecond: 4.5})
	t.Add("idle", Asynq, Sample{PerSecond: 0})
	t.Add("lone", Tandem, Sample{Scripts: 1.0049, Commands: 1.0051})
	t.Add("small", Tandem, Sample{RedisMicros: 10})
	t.Add("big", Tandem, Sample{RedisMicros: 10.6})
	return &t
}

func TestAGoalIsJudgedByMedians(t *testing.T) {
	tests := map[string]struct {
		goal Goal
		want string
	}{
		"a multiple that is reached":      {atLeast("drain/100", Rate, 3.5).times(BullMQ), "≥ 3.5× BullMQ: met"},
		"a multiple that is not":          {atLeast("drain/100", Rate, 4).times(BullMQ), "≥ 4× BullMQ: **not met** (3.89×)"},
		"a share that is kept":            {atMost("drain/100", RedisMicros, 0.3).times(BullMQ), "≤ 0.3× BullMQ: met"},
		"a number that is exceeded":       {atMost("idle", PerSecond, 4), "≤ 4: **not met** (4.50)"},
		"a number that is just reached":   {atLeast("add/1", Rate, 7000), "≥ 7000: met"},
		"what is shown is what counts":    {atMost("lone", Scripts, 1), "≤ 1: met"},
		"and not a digit less":            {atMost("lone", Commands, 1), "≤ 1: **not met** (1.01)"},
		"another workload":                {atMost("big", RedisMicros, 1.05).than("small"), "≤ 1.05× the small one: **not met** (1.06×)"},
		"what was not measured":           {atLeast("bulk", Rate, 3).times(BullMQ), "≥ 3× BullMQ: not measured"},
		"whose peer was not measured":     {atMost("idle", PerSecond, 1).times(BullMQ), "≤ 1× BullMQ: not measured"},
		"a multiple of nothing":           {atMost("idle", PerSecond, 1).times(Asynq), "≤ 1× asynq: not measured"},
		"a metric that was not looked at": {atMost("idle", P99, 1), "≤ 1: not measured"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := measured().Judge(test.goal).Verdict(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestGoalsThatWereMissedAreCounted(t *testing.T) {
	n, missed := measured().Judged([]Goal{
		atMost("idle", PerSecond, 4), atLeast("add/1", Rate, 1), atLeast("nothing", Rate, 1),
	})
	if n != 2 || len(missed) != 1 || missed[0].Workload != "idle" {
		t.Errorf("%d measured, missed %+v", n, missed)
	}
}

func TestTheTableShowsMediansRangesRatiosAndGoals(t *testing.T) {
	section := Section{
		Title: "Jobs per second", Words: "Words.", Systems: []System{Tandem, BullMQ, Asynq},
		Rows: []Row{
			{"add/1", "add, one at a time", Rate}, {"drain/100", "drain", Rate},
			{"drain/100", "Redis µs", RedisMicros}, {"idle", "idle", PerSecond}, {"bulk", "not measured", Rate},
		},
	}
	goals := []Goal{atLeast("drain/100", Rate, 3).times(BullMQ), atLeast("drain/100", Rate, 9).times(Asynq)}
	tally := measured()
	got := tally.Markdown(section, goals) + "\n" + strings.Join(tally.Behind(section), "\n") + "\n"
	golden(t, "testdata/table.md", got)
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got), -update accepts:\n%s", diff)
	}
}

func TestASectionWithoutSamplesIsLeftOut(t *testing.T) {
	s := Section{Title: "x", Systems: []System{Tandem}, Rows: []Row{{"bulk", "x", Rate}}}
	if got := measured().Markdown(s, nil); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestNumbersHaveThreeDigitsThatMatter(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0204: "0.020", 1: "1.00", 3.888: "3.89", 38.25: "38.2", 999.4: "999",
		1000: "1,000", 1234567: "1,234,567", -12.34: "-12.3", -1500: "-1,500",
	} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestCountsHaveCommas(t *testing.T) {
	for n, want := range map[int]string{0: "0", 10: "10", 999: "999", 1000: "1,000", 1_000_000: "1,000,000"} {
		if got := Count(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestThePageKeepsWhatIsAroundTheMarks(t *testing.T) {
	page := "# Title\n" + Begin + "\nold\n" + End + "\nmore\n"
	got, err := Replace(page, "\nnew\n")
	if want := "# Title\n" + Begin + "\n\nnew\n\n" + End + "\nmore\n"; err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	for _, broken := range []string{"", Begin, End, End + "\n" + Begin} {
		if _, err := Replace(broken, "new"); !errors.Is(err, ErrNoMarks) {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

func TestEverySampleIsInTheJSON(t *testing.T) {
	var tally Tally
	tally.Add("b", Tandem, Sample{Rate: 1})
	tally.Add("a", BullMQ, Sample{Rate: 2})
	tally.Add("b", Tandem, Sample{Rate: 3})
	got, err := tally.MarshalJSON()
	want := `[{"workload":"a","system":"BullMQ","metric":"jobs/s","values":[2]},` +
		`{"workload":"b","system":"Tandem","metric":"jobs/s","values":[1,3]}]`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}
