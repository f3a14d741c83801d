package cron_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/cron"
)

// What parses is due again, strictly later and within 40 years, with nothing due
// in between; what does not is an ErrInvalid and nothing else. No input makes
// either of them panic or search on and on.
func FuzzParse(f *testing.F) {
	names := []string{"UTC", "Europe/Madrid", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll"}
	for i, c := range readFixtures(f) {
		if i%10 == 0 {
			f.Add(c.Pattern, byte(i), c.After.Unix())
		}
	}
	f.Add("0 0 * 2 0#5", byte(0), int64(3981312000))
	f.Add("* * * * H", byte(1), int64(2240524800))
	zones := newZones()
	f.Fuzz(func(t *testing.T, pattern string, zone byte, unix int64) {
		loc := zones.load(t, names[int(zone)%len(names)])
		s, err := cron.Parse(pattern, loc)
		if err != nil {
			if !errors.Is(err, cron.ErrInvalid) || s != (cron.Schedule{}) {
				t.Fatalf("%q: %v with %+v, want ErrInvalid and the zero Schedule", pattern, err, s)
			}
			return
		}
		after := time.Unix(unix%(200*365*86400), 0)
		next, ok := s.Next(after)
		if !ok || !next.After(after) || next.Year() > after.Year()+41 {
			t.Fatalf("%q in %s after %s: %s, %t, want a later time within 40 years", pattern, loc, after, next, ok)
		}
		if loc.String() != "UTC" {
			return // a search that starts next to a clock change may differ
		}
		for _, since := range []time.Time{next.Add(-time.Second), after.Add(next.Sub(after) / 2)} {
			if again, _ := s.Next(since); !again.Equal(next) {
				t.Fatalf("%q after %s: %s, but after %s: %s", pattern, after, next, since, again)
			}
		}
	})
}
