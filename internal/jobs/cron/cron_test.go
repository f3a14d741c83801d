package cron_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs/cron"
)

func Example() {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := cron.Parse("30 2 * * *", madrid)
	if err != nil {
		fmt.Println(err)
		return
	}
	t := time.Date(2024, time.March, 29, 12, 0, 0, 0, madrid)
	for range 3 {
		t, _ = s.Next(t)
		fmt.Println(t) // on the 31st there is no 02:30
	}
	// Output:
	// 2024-03-30 02:30:00 +0100 CET
	// 2024-03-31 03:30:00 +0200 CEST
	// 2024-04-01 02:30:00 +0200 CEST
}

func TestErrorsNameTheField(t *testing.T) {
	tests := []struct{ pattern, field, value string }{
		{"61 * * * * *", "second", "61"},
		{"0 1,60 * * * *", "minute", "60"},
		{"*/0 * * * *", "minute", "*/0"},
		{"* 8-5 * * *", "hour", "8-5"},
		{"* * 32 * *", "day of month", "32"},
		{"* * 15W * *", "day of month", "15W"},
		{"* * 1,,2 * *", "day of month", ""},
		{"* * * brumaire *", "month", "brumaire"},
		{"* * * 1,jan *", "month", "1,jan"},
		{"* * * * 8", "weekday", "8"},
		{"* * * * 1#6", "weekday", "1#6"},
		{"* * * * 0,7", "weekday", "0,7"},
		{"0 0 30 2 *", "day of month", "30"},
		{"@fortnightly", "", "@fortnightly"},
		{"", "", ""},
		{strings.Repeat(" ", 2000), "", ""},
	}
	for _, tt := range tests {
		_, err := cron.Parse(tt.pattern, time.UTC)
		got, ok := errors.AsType[*cron.Error](err)
		if !ok || !errors.Is(err, cron.ErrInvalid) {
			t.Errorf("%q: %v, want a *cron.Error that is ErrInvalid", tt.pattern, err)
			continue
		}
		if got.Field != tt.field || got.Value != tt.value {
			t.Errorf("%q: field %q, value %q, want %q, %q", tt.pattern, got.Field, got.Value, tt.field, tt.value)
		}
		if !strings.Contains(err.Error(), tt.field) {
			t.Errorf("%q: message %q does not name the field", tt.pattern, err)
		}
	}
}

func TestErrorsAreShortWhateverTheLine(t *testing.T) {
	_, err := cron.Parse(strings.Repeat("\x00", 1000)+" * * * *", time.UTC)
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("got %v, want a message of at most 400 bytes", err)
	}
}

func TestParseRefusesHashedValues(t *testing.T) {
	for _, pattern := range []string{"H * * * *", "H(0-29)/10 * * * *", "0 H/2 * * *", "0 0 H * *", "0 0 * H *", "0 0 * * H", "0 0 * * H#2", "0 0 * * 1,H"} {
		if _, err := cron.Parse(pattern, time.UTC); !errors.Is(err, cron.ErrHash) || !errors.Is(err, cron.ErrInvalid) {
			t.Errorf("%q: %v, want ErrHash", pattern, err)
		}
	}
	if _, err := cron.Parse("0 0 * MARCH THU", time.UTC); errors.Is(err, cron.ErrHash) {
		t.Errorf("a name with an H is not ErrHash, but got %v", err)
	}
}

func TestParseRefusesDaysThatNeverCome(t *testing.T) {
	for _, pattern := range []string{"0 0 30 2 *", "0 0 31 4 ?", "0 0 30,31 feb *", "0 0 31 4,6,9,11 *", "0 0 30-31 2 *"} {
		if _, err := cron.Parse(pattern, time.UTC); !errors.Is(err, cron.ErrImpossible) || !errors.Is(err, cron.ErrInvalid) {
			t.Errorf("%q: %v, want ErrImpossible", pattern, err)
		}
	}
	for _, pattern := range []string{"0 0 29 2 *", "0 0 31 2,3 *", "0 0 30 2 1", "0 0 31,L 2 *", "0 0 1,31 4 *"} {
		if _, err := cron.Parse(pattern, time.UTC); err != nil {
			t.Errorf("%q: %v, want it parsed", pattern, err)
		}
	}
}

// cron-parser 5.10.3 takes all of these, and for most of them does something
// else than they say.
func TestParseRefusesMoreThanCronParser(t *testing.T) {
	tests := map[string][]string{
		"too few fields":                 {"", "   ", "5", "0 9 * *", "* * *"},
		"a star in an item":              {"1* * * * *", "*-5 * * * *", "0-* * * * *"},
		"a third end of a range":         {"1-2-3 * * * *"},
		"L in a range, step or number":   {"* * 1-3L * *", "* * */5L * *", "* * 5L * *", "* * 31L * *", "* * * * 5L-6L", "* * * * 9L", "* * * * 10L"},
		"L with an occurrence":           {"* * * * 5L#2"},
		"the same last weekday twice":    {"* * * * 0L,7L", "* * * * 5L,05L"},
		"a name of the other field":      {"* * * mon *", "* * * * jan"},
		"names and numbers in a row":     {"* * * janfeb *", "* * * 1jan *", "* * * * monL5"},
		"an occurrence that is no digit": {"* * * * 1#2.0", "* * * * 1#0x2", "* * * * 1#1.5", "* * * * 1#+1"},
		"a repeated day its month lacks": {"* * 1,31,31 2 *"},
		"days that never come":           {"0 0 31 4,6,9,11 *"},
	}
	for why, patterns := range tests {
		for _, pattern := range patterns {
			if _, err := cron.Parse(pattern, time.UTC); !errors.Is(err, cron.ErrInvalid) {
				t.Errorf("%s: %q gives %v, want ErrInvalid", why, pattern, err)
			}
		}
	}
}

// The places in the doc comment of Next.
func TestNextWhereCronParserBreaksItsRules(t *testing.T) {
	zones := newZones()
	tests := []struct {
		name, pattern, tz, after string
		want                     []string
	}{
		{
			"half an hour back: cron-parser gives up", "0 3 * * *", "Australia/Lord_Howe", "2025-04-05T12:00:00Z",
			[]string{"2025-04-06 03:00:00 +1030", "2025-04-07 03:00:00 +1030"},
		}, {
			"half an hour repeated: cron-parser gives up", "45 1 * * *", "Australia/Lord_Howe", "2025-04-05T12:00:00Z",
			[]string{"2025-04-06 01:45:00 +1100", "2025-04-07 01:45:00 +1030"},
		}, {
			"half an hour repeated, every hour due: cron-parser jumps over it", "*/15 * * * *", "Australia/Lord_Howe", "2025-04-05T14:30:00Z",
			[]string{"2025-04-06 01:45:00 +1100", "2025-04-06 01:30:00 +1030", "2025-04-06 01:45:00 +1030", "2025-04-06 02:00:00 +1030"},
		}, {
			"half an hour skipped, from 01:40: cron-parser fires at 03:00", "0,40 2 * * *", "Australia/Lord_Howe", "2024-10-05T15:10:00Z",
			[]string{"2024-10-06 02:40:00 +1100", "2024-10-07 02:00:00 +1100"},
		}, {
			"two hours repeated: cron-parser fires twice", "30 2 * * *", "Antarctica/Troll", "2024-10-26T12:00:00Z",
			[]string{"2024-10-27 02:30:00 +0200", "2024-10-28 02:30:00 +0000"},
		}, {
			"an hour repeated at a quarter to: cron-parser goes back", "29 * * * *", "Pacific/Chatham", "2025-04-05T13:30:00Z",
			[]string{"2025-04-06 03:29:00 +1345", "2025-04-06 03:29:00 +1245", "2025-04-06 04:29:00 +1245"},
		}, {
			"the first hour repeated: cron-parser fires the second time", "0 0 * * *", "America/Havana", "2024-11-02T12:00:00Z",
			[]string{"2024-11-03 00:00:00 -0400", "2024-11-04 00:00:00 -0500"},
		}, {
			"within the second before a skipped midnight: cron-parser fires at 00:30", "30 0 * * *", "America/Sao_Paulo", "2018-11-04T02:59:59.5Z",
			[]string{"2018-11-05 00:30:00 -0200"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := local(follow(parse(t, tt.pattern, zones.load(t, tt.tz)), at(t, tt.after), len(tt.want)), zones.load(t, tt.tz))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%q in %s (-want +got):\n%s", tt.pattern, tt.tz, diff)
			}
		})
	}
}

func TestASearchFromWithinAChangedHourTakesItForOrdinary(t *testing.T) {
	madrid := newZones().load(t, "Europe/Madrid")
	tests := []struct{ name, pattern, after, want string }{
		{"gap, from before", "*/30 2 * * *", "2024-03-31T00:59:59Z", "2024-03-31 03:00:00 +0200"},
		{"gap, from its end", "*/30 2 * * *", "2024-03-31T01:00:00Z", "2024-04-01 02:00:00 +0200"},
		{"repeat, from the first pass", "*/30 2 * * *", "2024-10-27T00:30:00Z", "2024-10-28 02:00:00 +0100"},
		{"repeat, from the second pass", "*/30 2 * * *", "2024-10-27T01:00:00Z", "2024-10-27 02:30:00 +0100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := local(follow(parse(t, tt.pattern, madrid), at(t, tt.after), 1), madrid)
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// ZoneBounds of the standard library ends the last day of such a year before it
// begins; see spanAt.
func TestNextPassesTheLastDayOfALeapYear(t *testing.T) {
	zones := newZones()
	for _, tz := range []string{"Europe/Madrid", "America/New_York", "Pacific/Auckland", "America/Santiago"} {
		s := parse(t, "30 */6 * * *", zones.load(t, tz))
		now := time.Date(2040, time.December, 30, 0, 0, 0, 0, zones.load(t, tz))
		for range 12 {
			next, ok := s.Next(now)
			if !ok || next.Sub(now) > 7*time.Hour {
				t.Fatalf("%s: after %s comes %s, %t, want a time in six hours", tz, now, next, ok)
			}
			now = next
		}
	}
}

func TestNextIsStrictlyLaterAndOnAFullSecond(t *testing.T) {
	s := parse(t, "* * * * * *", time.UTC)
	noon := time.Date(2024, time.May, 1, 12, 0, 0, 0, time.UTC)
	for _, after := range []time.Time{noon, noon.Add(time.Nanosecond), noon.Add(time.Second - 1)} {
		if got, ok := s.Next(after); !ok || !got.Equal(noon.Add(time.Second)) {
			t.Errorf("after %s: %s, %t, want %s", after, got, ok, noon.Add(time.Second))
		}
	}
}

func TestNextLooksAsFarAsTheRarestDay(t *testing.T) {
	s := parse(t, "0 0 * 2 0#5", time.UTC) // a Sunday on a 29 February
	got := local(follow(s, at(t, "2061-01-01T00:00:00Z"), 3), time.UTC)
	want := []string{"2088-02-29 00:00:00 +0000", "2128-02-29 00:00:00 +0000", "2156-02-29 00:00:00 +0000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNextHasNoAnswerOutsideOfTheCalendar(t *testing.T) {
	s := parse(t, "* * * * *", time.UTC)
	for _, after := range []time.Time{time.Unix(1<<62, 0), time.Unix(-1<<62, 0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got, ok := s.Next(after); ok {
			t.Errorf("after %v: %s, want none", after, got)
		}
	}
	if got, ok := (cron.Schedule{}).Next(time.Unix(0, 0)); ok {
		t.Errorf("zero Schedule is due at %s, want never", got)
	}
}

// A location is all that a schedule needs: here the bytes of a zone file, as on
// a machine that has no zone database.
func TestZonesComeFromTheCaller(t *testing.T) {
	data, err := os.ReadFile("testdata/Europe_Madrid.tzif")
	if err != nil {
		t.Fatal(err)
	}
	loc, err := time.LoadLocationFromTZData("Nowhere/Else", data)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := parse(t, "30 2 * * *", loc).Next(at(t, "2024-03-30T12:00:00Z"))
	if want := at(t, "2024-03-31T01:30:00Z"); !ok || !got.Equal(want) || got.Location() != loc {
		t.Errorf("got %s, %t, want %s in the caller's location", got, ok, want)
	}
	if got, _ := parse(t, "0 0 * * *", nil).Next(at(t, "2024-03-30T12:00:00Z")); got.Location() != time.UTC {
		t.Errorf("without a location: %s, want UTC", got)
	}
}

func TestStringIsTheLineAsGiven(t *testing.T) {
	if got := parse(t, " 0  9 * * Mon-Fri ", time.UTC).String(); got != " 0  9 * * Mon-Fri " {
		t.Errorf("got %q", got)
	}
}

func parse(t testing.TB, pattern string, loc *time.Location) cron.Schedule {
	t.Helper()
	s, err := cron.Parse(pattern, loc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func local(times []time.Time, loc *time.Location) []string {
	var all []string
	for _, t := range times {
		all = append(all, t.In(loc).Format("2006-01-02 15:04:05 -0700"))
	}
	return all
}
