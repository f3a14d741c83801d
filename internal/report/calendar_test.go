package report_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/report"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func resolve(t testing.TB, loc *time.Location, start, end string) report.Range {
	t.Helper()
	r, err := report.DateRange{Start: start, End: end}.Resolve(loc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkCovered fails unless the buckets touch, and together are the range.
func checkCovered(t interface{ Fatalf(string, ...any) }, r report.Range, buckets []report.Bucket) {
	at := r.Start
	for i, b := range buckets {
		if !b.Start.Equal(at) || !b.End.After(b.Start) {
			t.Fatalf("bucket %d is [%s, %s), want it to begin at %s", i, b.Start, b.End, at)
		}
		at = b.End
	}
	if !at.Equal(r.End) {
		t.Fatalf("buckets end at %s, want %s", at, r.End)
	}
}

func TestDaysAreAsLongAsTheZoneMakesThem(t *testing.T) {
	tests := map[string]struct {
		zone, start, end string
		hours            []float64
	}{
		"clocks go forward at two":                 {"Europe/Berlin", "2026-03-28", "2026-03-31", []float64{24, 23, 24}},
		"clocks go back at three":                  {"Europe/Berlin", "2026-10-24", "2026-10-27", []float64{24, 25, 24}},
		"clocks go forward at midnight":            {"America/Asuncion", "2023-09-30", "2023-10-03", []float64{24, 23, 24}},
		"clocks go back over midnight":             {"America/Havana", "2026-10-31", "2026-11-03", []float64{24, 25, 24}},
		"clocks go back over midnight in the east": {"Asia/Amman", "2014-10-30", "2014-11-02", []float64{24, 25, 24}},
		"clocks go back at midnight":               {"America/Sao_Paulo", "2018-02-16", "2018-02-19", []float64{24, 25, 24}},
		"clocks move by half an hour":              {"Australia/Lord_Howe", "2026-04-04", "2026-04-07", []float64{24, 24.5, 24}},
		"a day that was skipped is missing":        {"Pacific/Apia", "2011-12-29", "2012-01-01", []float64{24, 24}},
		"no clock change at all":                   {"Asia/Kathmandu", "2026-03-28", "2026-03-31", []float64{24, 24, 24}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := resolve(t, zone(t, tt.zone), tt.start, tt.end)
			buckets := r.Buckets(report.Day)
			checkCovered(t, r, buckets)
			var hours []float64
			for _, b := range buckets {
				hours = append(hours, b.End.Sub(b.Start).Hours())
			}
			if diff := cmp.Diff(tt.hours, hours); diff != "" {
				t.Errorf("hours of each day (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWeeksAndMonthsAreCutAtTheRange(t *testing.T) {
	r := resolve(t, time.UTC, "2026-01-30", "2026-03-03") // a Friday to a Tuesday
	tests := map[report.Period][]string{
		report.Week:  {"2026-01-26", "2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23", "2026-03-02"},
		report.Month: {"2026-01-01", "2026-02-01", "2026-03-01"},
	}
	for period, want := range tests {
		buckets := r.Buckets(period)
		checkCovered(t, r, buckets)
		var got []string
		for _, b := range buckets {
			got = append(got, b.Label.Format(time.DateOnly))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", period, diff)
		}
	}
}

func TestThePreviousRangeIsAsLong(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	april := resolve(t, berlin, "2026-04-01", "2026-05-01").Previous()
	if got, want := april.Start.Format(time.RFC3339), "2026-03-02T00:00:00+01:00"; got != want {
		t.Errorf("30 days before April begin at %s, want %s", got, want)
	}
	hour := resolve(t, berlin, "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00").Previous()
	if got, want := hour.Start.UTC().Format(time.RFC3339), "2026-03-29T00:00:00Z"; got != want {
		t.Errorf("the hour before begins at %s, want %s", got, want)
	}
}

// Every instant of a range lies in the bucket of its own local day, in every
// zone: that is all that a day is.
func TestEveryInstantLiesInItsLocalDay(t *testing.T) {
	names := []string{"UTC", "Europe/Berlin", "America/Havana", "America/Asuncion", "America/Sao_Paulo", "Asia/Beirut", "Asia/Amman", "Asia/Damascus", "Asia/Tehran", "Pacific/Apia", "Africa/Cairo", "Australia/Lord_Howe", "America/Santiago", "Atlantic/Azores"}
	rapid.Check(t, func(t *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(names).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Unix(rapid.Int64Range(0, 2_000_000_000).Draw(t, "start"), 0).In(loc)
		r := report.Range{Start: start, End: start.Add(time.Duration(rapid.Int64Range(1, 60*24*60).Draw(t, "minutes")) * time.Minute)}
		buckets := r.Buckets(report.Day)
		checkCovered(t, r, buckets)
		for _, b := range buckets {
			for _, at := range []time.Time{b.Start, b.Start.Add(b.End.Sub(b.Start) / 2), b.End.Add(-1)} {
				if got, want := at.In(loc).Format(time.DateOnly), b.Label.Format(time.DateOnly); got != want {
					t.Fatalf("%s is in the bucket of %s", at.In(loc), want)
				}
			}
		}
	})
}
