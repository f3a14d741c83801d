package promises_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/promises"
)

// cutting is how the power is cut.
type cutting struct {
	sync     string // the server's appendfsync
	rewrites bool   // begin to rewrite the file before some of the cuts
	torn     bool   // let the disk keep a part of what was not synced, sometimes
	cuts     int
	each     int // jobs acknowledged before each cut, on average
}

// A 202 says that the job is on disk. The cut comes at a random moment under
// load, sometimes while the append-only file is rewritten, and keeps of what was
// not synced what the disk likes.
func TestNoAcknowledgedJobIsLostInPowerCuts(t *testing.T) {
	t.Parallel()
	c := cutting{sync: "always", rewrites: true, torn: true, cuts: sized(3, 100), each: sized(3500, 11_200)}
	all := c.run(t)
	report(t, promises.Row{
		Name: "202s lost in power cuts", Goal: "0", Measured: fmt.Sprint(all.gone), N: all.acked,
		Of:    fmt.Sprintf("acknowledged in %d cuts, which took %d bytes that were not synced", c.cuts, all.bytes),
		Holds: all.gone == 0,
	})
}

// The same with a weaker setting loses jobs, so the experiment can tell. Rewrites
// are left out: a Redis that syncs every second and loses power during one may
// find a truncated file that is not the last, and then does not even start.
func TestPowerCutsDoLoseJobsThatAreSyncedEverySecond(t *testing.T) {
	t.Parallel()
	c := cutting{sync: "everysec", cuts: sized(2, 10), each: sized(1000, 10_200)}
	all := c.run(t)
	report(t, promises.Row{
		Name: "202s lost in power cuts, everysec", Goal: "none promised: this shows what always is for",
		Measured: fmt.Sprint(all.gone), N: all.acked, Of: fmt.Sprintf("acknowledged in %d cuts", c.cuts), Holds: all.gone > 0,
	})
}

// losses is what became of the acknowledged jobs of an experiment.
type losses struct {
	acked, gone int
	bytes       int64 // that were not synced
}

// run cuts the power while jobs are added, and looks for every acknowledged job
// after each ten cuts.
func (c cutting) run(t *testing.T) (all losses) {
	t.Helper()
	disk := inject.NewDisk(t, "appendonly yes", "appendfsync "+c.sync)
	var queues []*queue.Queue // of several processes, whose calls overlap
	for range 4 {
		queues = append(queues, newQueue(t, open(t, redisconn.Options{URL: disk.URL})))
	}
	r := chance(t)
	for left := c.cuts; left > 0; left -= 10 {
		some := c.some(t, disk, queues, r, min(left, 10))
		all.acked, all.gone, all.bytes = all.acked+some.acked, all.gone+some.gone, all.bytes+some.bytes
		must(t, disk.Client(t).FlushAll(t.Context()).Err())
		tell(t, "%d cuts to go, %d acknowledged, %d lost", max(left-10, 0), all.acked, all.gone)
	}
	return all
}

func (c cutting) some(t *testing.T, disk *inject.Disk, queues []*queue.Queue, r *rand.Rand, cuts int) (some losses) {
	t.Helper()
	p := produce(t, 16, queues...)
	for range cuts {
		p.more(t, c.each/2+r.IntN(c.each))
		if c.rewrites && r.IntN(4) == 0 {
			rewrite(t, disk, r)
		}
		bytes, err := disk.Cut(r, c.torn && r.IntN(2) == 0)
		must(t, err)
		some.bytes += bytes
	}
	p.end()
	ids := p.take()
	some.acked, some.gone = len(ids), len(lost(t, disk.Client(t), ids))
	if unexpected := p.unexpected(); len(unexpected) > 0 {
		t.Errorf("%d adds failed otherwise than because Redis was away: %v", len(unexpected), unexpected[0])
	}
	return some
}

// rewrite lets the server begin to rewrite its file.
func rewrite(t *testing.T, disk *inject.Disk, r *rand.Rand) {
	t.Helper()
	client := redis.NewClient(disk.Options())
	defer client.Close()
	if err := client.BgRewriteAOF(t.Context()).Err(); err != nil && !strings.Contains(err.Error(), "in progress") {
		t.Fatalf("rewrite the append-only file: %v", err)
	}
	must(t, wait(t.Context(), time.Duration(r.IntN(20))*time.Millisecond))
}
