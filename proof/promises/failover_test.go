package promises_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/promises"
)

// failing is how primaries are replaced while jobs are added.
type failing struct {
	replicas  int                                   // that have to have a job before it is acknowledged
	faults    func(*redistest.Group) []inject.Fault // by turns
	failovers int
	each      int // jobs acknowledged between two
}

// everyKind is half of the old primaries dead, and half alive: hidden, or frozen.
func everyKind(group *redistest.Group) []inject.Fault {
	return []inject.Fault{partition(group), inject.Failover(group), inject.Zombie(group), inject.Failover(group)}
}

func partitions(group *redistest.Group) []inject.Fault { return []inject.Fault{partition(group)} }

func partition(group *redistest.Group) inject.Fault {
	return inject.Partition(group, inject.Span{Max: 500 * time.Millisecond})
}

// A 202 of the replicated profile says that the job outlives its primary, also
// when the old one goes on answering for a moment. All replicas that can be
// promoted have to have it: see the next experiment.
func TestNoAcknowledgedJobIsLostInFailoversWhenReplicasHaveIt(t *testing.T) {
	t.Parallel()
	f := failing{replicas: 2, faults: everyKind, failovers: sized(2, 50), each: sized(500, 2_000)}
	all := f.run(t)
	report(t, promises.Row{
		Name: "202s lost in failovers, both replicas wait", Goal: "0", Measured: fmt.Sprint(all.gone), N: all.acked,
		Of: fmt.Sprintf("acknowledged in %d failovers, half of them with an old primary that lives on", f.failovers), Holds: all.gone == 0,
	})
}

// With one of two replicas nothing is promised: Sentinel may promote the other
// one. Here it has to, as that is the only one it may choose, and it was cut off
// from the primary before the jobs came.
func TestOneOfTwoReplicasIsNotEnough(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t, "appendonly yes", "appendfsync always")
	primary, stale, other := group.Servers[0], group.Servers[1], group.Servers[2]
	neverPromoted(t, group, other)
	starve(t, group, primary, stale)
	q := newQueue(t, open(t, redisconn.Options{Addrs: group.Addrs, MasterName: redistest.MasterName, Replicas: 1}))
	ids := make([]string, sized(50, 1_000))
	for i := range ids {
		added, err := q.Add(t.Context(), "work", json1, jobs.Options{})
		must(t, err)
		ids[i] = added.ID
	}
	must(t, inject.Failover(group).Do(t.Context(), chance(t)))
	if now, err := group.Primary(t.Context()); err != nil || now != stale {
		t.Fatalf("the primary is %v, want the replica that was cut off: %v", now, err)
	}
	gone := len(lost(t, stale.Client(t), ids))
	report(t, promises.Row{
		Name: "202s lost in failovers, one replica of two waits", Goal: "none promised: this shows why both have to wait",
		Measured: fmt.Sprint(gone), N: len(ids), Of: "acknowledged before a failover to the replica that did not acknowledge", Holds: gone > 0,
	})
}

// neverPromoted tells a replica to stay one, and waits until the Sentinels know.
func neverPromoted(t *testing.T, group *redistest.Group, replica *redistest.Instance) {
	t.Helper()
	must(t, replica.Client(t).ConfigSet(t.Context(), "replica-priority", "0").Err())
	for _, s := range group.Sentinels {
		must(t, s.Client(t).Do(t.Context(), "SENTINEL", "DEBUG", "info-period", 100).Err())
		sentinel := redis.NewSentinelClient(s.Options())
		defer sentinel.Close()
		eventually(t, time.Minute, "a Sentinel to know whom not to promote", func() bool {
			replicas, err := sentinel.Replicas(t.Context(), redistest.MasterName).Result()
			return err == nil && slices.ContainsFunc(replicas, func(r map[string]string) bool {
				return net.JoinHostPort(r["ip"], r["port"]) == replica.Addr && r["slave-priority"] == "0"
			})
		})
	}
}

// starve lets a replica no longer receive anything: its primary does not know it.
func starve(t *testing.T, group *redistest.Group, primary, replica *redistest.Instance) {
	t.Helper()
	client := replica.Client(t)
	for setting, value := range map[string]string{"masteruser": "nobody", "masterauth": "x"} {
		must(t, client.ConfigSet(t.Context(), setting, value).Err())
	}
	must(t, primary.Client(t).Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
	eventually(t, time.Minute, "the replica to be cut off", func() bool {
		return strings.Contains(client.Info(t.Context(), "replication").Val(), "master_link_status:down")
	})
	must(t, group.AwaitReplicas(t.Context(), primary, 1)) // the other one is back
}

// The same without replicas loses what the hidden primary took, so the experiment
// can tell.
func TestPartitionsDoLoseJobsThatNoReplicaHas(t *testing.T) {
	t.Parallel()
	f := failing{faults: partitions, failovers: sized(1, 10), each: sized(500, 2_000)}
	all := f.run(t)
	report(t, promises.Row{
		Name: "202s lost in failovers, no replica waits", Goal: "none promised: this shows what replicas are for",
		Measured: fmt.Sprint(all.gone), N: all.acked, Of: fmt.Sprintf("acknowledged in failovers with a partition: %d", f.failovers),
		Holds: all.gone > 0,
	})
}

// run replaces the primary so many times, and looks for every acknowledged job
// after each ten.
func (f failing) run(t *testing.T) (all losses) {
	t.Helper()
	group := redistest.Sentinel(t, "appendonly yes", "appendfsync always")
	var queues []*queue.Queue // of several processes
	for range 2 {
		queues = append(queues, newQueue(t, open(t, redisconn.Options{
			Addrs: group.Addrs, MasterName: redistest.MasterName, Replicas: f.replicas,
		})))
	}
	r := chance(t)
	for done := 0; done < f.failovers; done += 10 {
		some := f.some(t, group, queues, r, done, min(done+10, f.failovers))
		all.acked, all.gone = all.acked+some.acked, all.gone+some.gone
		tell(t, "%d of %d failovers, %d acknowledged, %d lost", min(done+10, f.failovers), f.failovers, all.acked, all.gone)
	}
	return all
}

func (f failing) some(t *testing.T, group *redistest.Group, queues []*queue.Queue, r *rand.Rand, from, to int) (some losses) {
	t.Helper()
	faults := f.faults(group)
	p := produce(t, 8, queues...)
	for i := from; i < to; i++ {
		p.more(t, f.each)
		must(t, faults[i%len(faults)].Do(t.Context(), r))
	}
	p.more(t, f.each)
	p.end()
	primary, err := group.Primary(t.Context())
	must(t, err)
	ids := p.take()
	some.acked, some.gone = len(ids), len(lost(t, primary.Client(t), ids))
	if unexpected := p.unexpected(); len(unexpected) > 0 {
		t.Errorf("%d adds failed otherwise than because Redis was away: %v", len(unexpected), unexpected[0])
	}
	must(t, primary.Client(t).FlushAll(t.Context()).Err())
	return some
}
