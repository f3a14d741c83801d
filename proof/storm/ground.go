package storm

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

// Ground is a Redis of several servers, whose primary can be replaced. Its
// programs find it by themselves, without a proxy between.
type Ground struct {
	flags  []string // by which the subject finds it
	prefix string
	client redis.UniversalClient
	faults []inject.Fault
}

// tagged keeps all keys of a queue in one slot.
const tagged = "{bull}"

// durable is what every server of a storm is started with.
func durable() []string {
	return append(inject.Config(), "appendonly yes", "appendfsync always", "maxmemory-policy noeviction")
}

// UnderSentinels is a primary with two replicas. An add waits for both, so that
// each that may be promoted has it.
func UnderSentinels(tb testing.TB) *Ground {
	tb.Helper()
	group := redistest.Sentinel(tb, durable()...)
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: redistest.MasterName, SentinelAddrs: group.Addrs})
	tb.Cleanup(func() { closed(tb, client) })
	return &Ground{
		flags:  []string{"-addrs", strings.Join(group.Addrs, ","), "-master", redistest.MasterName, "-replicas", "2"},
		prefix: tagged, client: client,
		faults: []inject.Fault{inject.Failover(group), inject.Zombie(group)},
	}
}

// InACluster is a Cluster of three primaries with a replica each, for which an
// add waits. The slot of the queue moves as well.
func InACluster(tb testing.TB) *Ground {
	tb.Helper()
	nodes := redistest.ReplicatedCluster(tb, durable()...)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: nodes.Addrs})
	tb.Cleanup(func() { closed(tb, client) })
	key := tagged + ":" + queue + ":meta"
	return &Ground{
		flags:  []string{"-addrs", strings.Join(nodes.Addrs, ","), "-cluster", "-replicas", "1"},
		prefix: tagged, client: client,
		faults: []inject.Fault{inject.NodeFailover(nodes, key), inject.ZombieNode(nodes, key), inject.Migrate(nodes, key)},
	}
}

func closed(tb testing.TB, client redis.UniversalClient) {
	if err := client.Close(); err != nil {
		tb.Errorf("storm: %v", err)
	}
}

// OfGround are the faults of servers that are replaced.
func (s *Site) OfGround() Lane { return Lane{Name: "primaries", Faults: s.setup.Ground.faults} }

// OfProcesses are the faults of workers that need no proxy.
func (s *Site) OfProcesses() Lane {
	return s.only(s.OfWorkers(), "worker.kill", "worker.kill-all", "worker.stop", "worker.roll", "worker.freeze-short", "worker.freeze-long")
}
