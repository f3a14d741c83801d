package simulation

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	firstSeed = flag.Int("simulation.first", 1, "the first seed to run")
	seeds     = flag.Int("simulation.seeds", 0, "how many seeds to run; 0 is as many as fit into an ordinary run of the tests")
	replays   = flag.Int("simulation.replays", 1, "how often to run each seed")
)

// TestMain lets memory grow further than usual between two collections: a run
// makes much garbage and keeps next to nothing.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// play runs one seed and returns what broke.
func play(t *testing.T, p *plan, rewrite func(string) string) (broken []string) {
	defer func() {
		if r := recover(); r != nil { // synctest's word for goroutines that wait for ever
			broken = append(broken, fmt.Sprintf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	var w *world
	synctest.Test(t, func(t *testing.T) { w = live(t, p, rewrite) })
	return w.verdict()
}

// few is what fits into an ordinary run of the tests, under the race detector
// too. CI plays more of them without it.
const few = 150

func TestSeeds(t *testing.T) {
	t.Parallel()
	began, n := time.Now(), cmp.Or(*seeds, few)
	t.Run("all", func(t *testing.T) { // returns when its shards have
		shards := min(runtime.GOMAXPROCS(0), n)
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for seed := *firstSeed + shard; seed < *firstSeed+n; seed += shards {
					runSeed(t, seed)
				}
			})
		}
	})
	t.Logf("%d seeds, %.0f a minute", n, float64(n**replays)/time.Since(began).Minutes())
}

func runSeed(t *testing.T, seed int) {
	p := planOf(seed)
	for range *replays {
		if broken := play(t, p, nil); len(broken) > 0 {
			t.Errorf("seed %d:\n  %s\n\n%s\n"+
				"go test ./internal/jobs/simulation -run TestSeeds -simulation.first=%d -simulation.seeds=1 -simulation.replays=20",
				seed, strings.Join(broken, "\n  "), p, seed)
		}
	}
}
