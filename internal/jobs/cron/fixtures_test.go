package cron_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata" // as in the binaries: the zones must not depend on the machine

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs/cron"
)

var fixtures = flag.String("fixtures", filepath.Join("testdata", "next.json"), "cases to compare with, from testdata/generate.mjs")

// fixture is what cron-parser answered to one question.
type fixture struct {
	Pattern string
	TZ      string
	After   time.Time
	Next    []time.Time // each from a parse that starts at the one before
	Stuck   string      // why cron-parser has no more of them
	Error   string      // what it has against the pattern
}

func readFixtures(t testing.TB) []fixture {
	t.Helper()
	data, err := os.ReadFile(*fixtures)
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNextIsWhatCronParserSays(t *testing.T) {
	zones, compared := newZones(), 0
	for _, f := range readFixtures(t) {
		if f.Error != "" {
			continue
		}
		s, err := cron.Parse(f.Pattern, zones.load(t, f.TZ))
		if err != nil {
			t.Errorf("%q: %v, want it parsed", f.Pattern, err)
			continue
		}
		compared += len(f.Next)
		if diff := cmp.Diff(f.Next, follow(s, f.After, len(f.Next))); diff != "" {
			t.Errorf("%q in %s after %s (-cron-parser +ours):\n%s", f.Pattern, f.TZ, f.After.Format(time.RFC3339Nano), diff)
		}
	}
	if compared < 5_000 {
		t.Errorf("only %d times were compared: the fixtures are not whole", compared)
	}
}

func TestParseRefusesWhatCronParserRefuses(t *testing.T) {
	refused := 0
	for _, f := range readFixtures(t) {
		if f.Error == "" {
			continue
		}
		refused++
		if _, err := cron.Parse(f.Pattern, time.UTC); !errors.Is(err, cron.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid as in %q", f.Pattern, err, f.Error)
		}
	}
	if refused < 300 {
		t.Errorf("only %d refusals were compared: the fixtures are not whole", refused)
	}
}

// follow returns up to n due times, in UTC.
func follow(s cron.Schedule, after time.Time, n int) []time.Time {
	var next []time.Time
	for range n {
		t, ok := s.Next(after)
		if !ok {
			break
		}
		next = append(next, t.UTC())
		after = t
	}
	return next
}

// zones remembers the locations that it loaded.
type zones map[string]*time.Location

func newZones() zones { return zones{} }

func (z zones) load(t testing.TB, name string) *time.Location {
	t.Helper()
	if loc, ok := z[name]; ok {
		return loc
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	z[name] = loc
	return loc
}
