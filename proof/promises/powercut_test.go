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

// A 202 says that the job is on disk. The cut comes at a random moment under
// load, sometimes while the append-only file is rewritten, and keeps of what was
// not synced what the disk likes.
func TestNoAcknowledgedJobIsLostInPowerCuts(t *testing.T) {
	t.Parallel()
	cuts, each := sized(3, 100), sized(3500, 10_100)
	all := cutPower(t, "appendfsync always", rewriteOrNot, cuts, each)
	report(t, promises.Row{
		Name: "202s lost in power cuts", Goal: "0", Measured: fmt.Sprint(all.gone), N: all.acked,
		Of: fmt.Sprintf("acknowledged in %d cuts, which took %d bytes that were not synced", cuts, all.bytes), Holds: all.gone == 0,
	})
}

// The same with a weaker setting loses jobs, so the experiment can tell. Rewrites
// are left out: a Redis that syncs every second and loses power during one may
// find a truncated file that is not the last, and then does not even start.
func TestPowerCutsDoLoseJobsThatAreSyncedEverySecond(t *testing.T) {
	t.Parallel()
	cuts, each := sized(1, 10), sized(2000, 10_000)
	all := cutPower(t, "appendfsync everysec", neverRewrite, cuts, each)
	report(t, promises.Row{
		Name: "202s lost in power cuts, everysec", Goal: "some: this shows what the setting is for",
		Measured: fmt.Sprint(all.gone), N: all.acked, Of: fmt.Sprintf("acknowledged in %d cuts", cuts), Holds: all.gone > 0,
	})
}

// losses is what became of the acknowledged jobs of an experiment.
type losses struct {
	acked, gone int
	bytes       int64 // that were not synced
}

// cutPower cuts the power so many times while jobs are added, and looks for every
// acknowledged job after each ten.
func cutPower(t *testing.T, sync string, prepare preparation, cuts, each int) (all losses) {
	t.Helper()
	disk := inject.NewDisk(t, "appendonly yes", sync)
	var queues []*queue.Queue // of several processes, whose calls overlap
	for range 4 {
		queues = append(queues, newQueue(t, open(t, redisconn.Options{URL: disk.URL})))
	}
	r := chance(t)
	for ; cuts > 0; cuts -= 10 {
		some := cutSome(t, disk, queues, prepare, r, min(cuts, 10), each)
		all.acked, all.gone, all.bytes = all.acked+some.acked, all.gone+some.gone, all.bytes+some.bytes
		must(t, disk.Client(t).FlushAll(t.Context()).Err())
	}
	return all
}

func cutSome(t *testing.T, disk *inject.Disk, queues []*queue.Queue, prepare preparation, r *rand.Rand, cuts, each int) (some losses) {
	t.Helper()
	p := produce(t, 16, queues...)
	for range cuts {
		p.more(t, each/2+r.IntN(each)) // each on average
		prepare(t, disk, r)
		bytes, err := disk.Cut(r, r.IntN(2) == 0)
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

// preparation is what happens to a disk just before the cut.
type preparation func(*testing.T, *inject.Disk, *rand.Rand)

func neverRewrite(*testing.T, *inject.Disk, *rand.Rand) {}

// rewriteOrNot lets the server begin to rewrite its file, one time in four.
func rewriteOrNot(t *testing.T, disk *inject.Disk, r *rand.Rand) {
	t.Helper()
	if r.IntN(4) != 0 {
		return
	}
	client := redis.NewClient(disk.Options())
	defer client.Close()
	if err := client.BgRewriteAOF(t.Context()).Err(); err != nil && !strings.Contains(err.Error(), "in progress") {
		t.Fatalf("rewrite the append-only file: %v", err)
	}
	must(t, wait(t.Context(), time.Duration(r.IntN(20))*time.Millisecond))
}
