package promises_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/promises"
)

var (
	campaign = flag.Bool("campaign", false, "full size instead of small")
	seed     = flag.Uint64("seed", 1, "what chance begins with")
	out      = flag.String("out", "", "directory for the rows")
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		os.Exit(runChild(url))
	}
	redisconn.LogTo(slog.New(slog.DiscardHandler))
	redistest.Main(m)
}

// sized is the size of an experiment.
func sized[T any](small, full T) T {
	if *campaign {
		return full
	}
	return small
}

// chance belongs to one test: its draws do not depend on what else runs.
func chance(t *testing.T) *rand.Rand {
	var name uint64
	for _, c := range t.Name() {
		name = name*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(*seed, name))
}

// report prints the row, saves it when that was asked for, and fails the test
// when the promise is broken beyond what is tolerated. A test that has failed
// already shows nothing, whatever it counted.
func report(t *testing.T, row promises.Row) {
	t.Helper()
	row.Seed, row.Small = *seed, !*campaign
	if t.Failed() {
		row.Holds, row.Tolerated = false, false
	}
	line, err := row.Line()
	must(t, err)
	fmt.Println(line)
	if *out != "" {
		must(t, row.Save(*out))
	}
	if !row.Holds && !row.Tolerated {
		t.Errorf("%s: promised %s, measured %s of %d %s", row.Name, row.Goal, row.Measured, row.N, row.Of)
	}
}

// lenient is how many times its goal a duration may take on a machine that does
// other things too.
const lenient = 5

// limit is a duration that was measured, and what it should be at most.
type limit struct{ measured, goal time.Duration }

// onTime is the row with its verdict: held when all durations are within their
// goals, tolerated when they are not far beyond.
func onTime(row promises.Row, limits ...limit) promises.Row {
	row.Holds, row.Tolerated = true, true
	for _, l := range limits {
		row.Holds = row.Holds && l.measured <= l.goal
		row.Tolerated = row.Tolerated && l.measured <= lenient*l.goal
	}
	row.Tolerated = row.Tolerated && !row.Holds
	return row
}

// tell says how far an experiment is that takes minutes.
func tell(t *testing.T, format string, args ...any) {
	t.Helper()
	if *campaign {
		fmt.Printf("progress: %s: %s\n", t.Name(), fmt.Sprintf(format, args...))
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until done reports true, and at most for patience.
func eventually(t *testing.T, patience time.Duration, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for %s", patience, what)
		}
	}
}
