package build

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/reporttest"
)

// A histogram's quantile is that of the sorted list: exactly below two seconds,
// and at most a thousandth more above.
func TestHistogramFindsTheNearestRank(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, 1<<uint(rapid.IntRange(1, 40).Draw(t, "bits"))), 1, 300).Draw(t, "durations")
		slices.Sort(list)
		h := new(histogram)
		for _, ms := range list {
			h.add(ms, 1)
		}
		q := rapid.Float64Range(0.001, 1).Draw(t, "q")
		exact := list[max(0, int(math.Ceil(q*float64(len(list))))-1)]
		got, _ := h.quantile(q).Float()
		if exact < exactBelow && got != float64(exact) || got < float64(exact) || got > float64(exact)*1.001 {
			t.Fatalf("quantile %g = %g, want %d", q, got, exact)
		}
	})
}

func TestHistogramStaysSmall(t *testing.T) {
	h := new(histogram)
	for ms := int64(0); ms < 1<<53; ms += 1 + ms/4000 {
		h.add(ms, 1)
	}
	h.add(math.MaxInt64, 1)
	if len(h.steps) > 50_000 {
		t.Errorf("the histogram has %d steps", len(h.steps))
	}
}

// The search tree puts an instant where a walk over the buckets would.
func TestBucketExpressionFindsTheBucket(t *testing.T) {
	db := reporttest.Open(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "days")
		r := report.Range{Start: start, End: start.AddDate(0, 0, n)}
		buckets := r.Buckets(report.Day)
		at := start.Add(time.Duration(rapid.Int64Range(0, r.End.Sub(start).Milliseconds()-1).Draw(t, "at")) * time.Millisecond)
		var s statement
		s.add("SELECT ").bucket("at", buckets, unixMilli).add(" FROM (SELECT ").bind(at.UnixMilli()).add(" AS at) AS one")
		var got int
		if err := db.Read.QueryRow(s.text.String(), s.args...).Scan(&got); err != nil {
			t.Fatal(err)
		}
		want := slices.IndexFunc(buckets, func(b report.Bucket) bool { return !at.Before(b.Start) && at.Before(b.End) })
		if got != want {
			t.Fatalf("bucket of %s = %d, want %d", at, got, want)
		}
	})
}

func TestReasonOfHidesWhatDiffersOrBelongsToSomebody(t *testing.T) {
	tests := map[string]string{
		"":                             "No reason was given",
		"  \n second line":             "second line",
		"550 user unknown":             "550 user unknown",
		"to ann.lee+x@mail.example.de": "to (address)",
		"get https://u:secret@host/x?token=1: EOF":            "get (url) EOF",
		"job 0198c0de-aaaa-7bbb-8ccc-1234567890ab not found":  "job (id) not found",
		"row 1234567 is locked":                               "row (number) is locked",
		"10.1.2.3:587 refused":                                "(host) refused",
		"bell\a and \u202eright to left":                      "bell  and  right to left",
		strings.Repeat("ä", 200):                              strings.Repeat("ä", 119) + "…",
		"first line\nsecond line with <somebody@example.com>": "first line",
		"broken \xff bytes":                                   "broken \uFFFD bytes",
	}
	for text, want := range tests {
		if got := reasonOf(text); got != want {
			t.Errorf("reasonOf(%q) = %q, want %q", text, got, want)
		}
	}
}
