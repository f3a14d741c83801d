package inject_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

func TestFailoversLeaveAWholeGroupWithAnotherPrimary(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t)
	for _, fault := range []inject.Fault{
		inject.Zombie(group), inject.Failover(group), inject.Partition(group, exactly(100*time.Millisecond)),
	} {
		old, err := group.Primary(t.Context())
		must(t, err)
		must(t, old.Client(t).Set(t.Context(), fault.Name, 1, 0).Err())
		if n, err := old.Client(t).Wait(t.Context(), 2, 30*time.Second).Result(); err != nil || n != 2 {
			t.Fatalf("%d replicas of 2 follow: %v", n, err)
		}
		before := epoch(t, group)
		must(t, fault.Do(t.Context(), chance()))
		now, err := group.Primary(t.Context())
		must(t, err)
		if after := epoch(t, group); after <= before {
			t.Errorf("%s: the primary is the one of epoch %d, and was that of %d", fault.Name, after, before)
		}
		if n, err := now.Client(t).Exists(t.Context(), fault.Name).Result(); err != nil || n != 1 {
			t.Errorf("%s: what both replicas had is gone: %v", fault.Name, err)
		}
	}
}

// epoch is a number that grows with each failover. On a busy machine the old
// primary may have its place back already, so its address would not tell.
func epoch(t *testing.T, group *redistest.Group) int {
	t.Helper()
	latest := 0
	for _, s := range group.Sentinels {
		client := redis.NewSentinelClient(s.Options())
		defer client.Close()
		about, err := client.Master(t.Context(), redistest.MasterName).Result()
		must(t, err)
		n, err := strconv.Atoi(about["config-epoch"])
		must(t, err)
		latest = max(latest, n)
	}
	return latest
}

// A zombie answers for as long as nobody has told it: the writes that it takes
// then are lost. Without this the fault would be a failover like any other.
func TestAZombieTakesWritesThatAreLost(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t)
	old, err := group.Primary(t.Context())
	must(t, err)
	client := old.Client(t)
	must(t, client.Ping(t.Context()).Err())
	acked := make(chan error, 1)
	fault := inject.Zombie(group)
	go func() {
		awaitOther(t.Context(), group, old)
		acked <- client.Set(t.Context(), "lost", 1, 0).Err() // waits in the socket of the one that stands still
	}()
	must(t, fault.Do(t.Context(), chance()))
	if err := <-acked; err != nil {
		t.Fatalf("the zombie did not answer: %v", err)
	}
	now, err := group.Primary(t.Context())
	must(t, err)
	if n, err := now.Client(t).Exists(t.Context(), "lost").Result(); err != nil || n != 0 {
		t.Errorf("the write that the zombie took is there: %d, %v", n, err)
	}
}

// A primary that only clients can see takes their writes, and no replica has them.
func TestAPartitionedPrimaryTakesWritesThatAreLost(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t)
	old, err := group.Primary(t.Context())
	must(t, err)
	client := old.Client(t)
	ended := make(chan error, 1)
	go func() { ended <- inject.Partition(group, exactly(time.Second)).Do(t.Context(), chance()) }()
	awaitOther(t.Context(), group, old)
	must(t, client.Set(t.Context(), "lost", 1, 0).Err())
	if n, err := client.Do(t.Context(), "WAIT", 1, 50).Int(); err != nil || n != 0 {
		t.Errorf("%d replicas have it, %v", n, err)
	}
	must(t, <-ended)
	now, err := group.Primary(t.Context())
	must(t, err)
	if n, err := now.Client(t).Exists(t.Context(), "lost").Result(); err != nil || n != 0 {
		t.Errorf("what the old primary took is there: %d, %v", n, err)
	}
}

func TestSlotsMoveWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	cluster := redistest.ReplicatedCluster(t)
	const keys = 300
	for i := range keys {
		must(t, cluster.Client.Set(t.Context(), "{q}"+strconv.Itoa(i), i, 0).Err())
	}
	for _, fault := range []inject.Fault{inject.Migrate(cluster, "{q}"), inject.NodeFailover(cluster, "{q}"), inject.ZombieNode(cluster, "{q}")} {
		old, err := cluster.PrimaryOf(t.Context(), "{q}")
		must(t, err)
		must(t, fault.Do(t.Context(), chance()))
		now, err := cluster.PrimaryOf(t.Context(), "{q}")
		must(t, err)
		if now == old {
			t.Errorf("%s: the slot is where it was", fault.Name)
		}
		if n := count(t, now); n != keys {
			t.Errorf("%s: %d keys of %d arrived", fault.Name, n, keys)
		}
	}
}

func count(t *testing.T, server *redistest.Instance) int {
	t.Helper()
	client := redis.NewClient(server.Options())
	defer client.Close()
	slot := client.ClusterKeySlot(t.Context(), "{q}").Val()
	n, err := client.ClusterCountKeysInSlot(t.Context(), int(slot)).Result()
	must(t, err)
	return int(n)
}

func awaitOther(ctx context.Context, group *redistest.Group, old *redistest.Instance) {
	_, _ = group.AwaitFailover(ctx, old) // when it does not come, the fault says so
}
