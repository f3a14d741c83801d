package promises_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/promises"
)

// One reply in a hundred is lost at a random byte, after the server did the work.
// Each add is sent on its own or with few others, so that there is much to lose.
func TestLostRepliesMakeNeitherDuplicatesNorErrors(t *testing.T) {
	t.Parallel()
	const adders = 4
	n := sized(3_000, 10_000)
	server := redistest.Own(t, redistest.Options{})
	proxy := redistest.Proxy(t, server.Server)
	proxy.OnRequest(loseReplies(chance(t), 0.01))
	q := newQueue(t, open(t, redisconn.Options{URL: proxy.URL}))
	failed := addNumbered(t, q, n, adders)
	duplicates, missing := numbered(t, server.Client(t), n)
	report(t, promises.Row{
		Name: "adds with 1 % lost replies", Goal: "0 duplicates, 0 false errors, 0 missing",
		Measured: fmt.Sprintf("%d duplicates, %d false errors, %d missing", duplicates, failed, missing),
		N:        n, Of: fmt.Sprintf("adds, with %d replies lost", proxy.Cuts()),
		Holds: duplicates+failed+missing == 0 && proxy.Cuts() > 0,
	})
}

// loseReplies cuts the replies of scripts, whichever way they are called.
func loseReplies(r *rand.Rand, share float64) func([]string) redistest.Action {
	return func(args []string) redistest.Action {
		if !strings.HasPrefix(strings.ToUpper(args[0]), "EVAL") || r.Float64() >= share {
			return redistest.Forward()
		}
		return redistest.CutReply(r.IntN(40))
	}
}

// addNumbered adds the jobs 0 to n-1 and returns how many adds failed.
func addNumbered(t *testing.T, q *queue.Queue, n, adders int) (failed int) {
	t.Helper()
	var mu sync.Mutex
	var done sync.WaitGroup
	for from := range adders {
		done.Go(func() {
			for i := from; i < n; i += adders {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				_, err := q.Add(ctx, "work", i, jobs.Options{})
				cancel()
				if err != nil {
					mu.Lock()
					failed++
					mu.Unlock()
					t.Logf("add %d: %v", i, err)
				}
			}
		})
	}
	done.Wait()
	return failed
}

// numbered looks which of the jobs 0 to n-1 are stored more than once, or not.
func numbered(t *testing.T, client *redis.Client, n int) (duplicates, missing int) {
	t.Helper()
	ids, err := client.ZRange(t.Context(), record().Key("prioritized"), 0, -1).Result()
	must(t, err)
	pipe := client.Pipeline()
	data := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		data[i] = pipe.HGet(t.Context(), record().Key(id), "data")
	}
	_, err = pipe.Exec(t.Context())
	must(t, err)
	times := map[string]int{}
	for _, d := range data {
		times[d.Val()]++
	}
	for _, stored := range times {
		duplicates += stored - 1
	}
	return duplicates, n - len(times)
}
