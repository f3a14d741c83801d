package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// Nodes is a Redis Cluster of three primaries that belongs to one test.
type Nodes struct {
	Addrs     []string             // of the primaries at the start
	Instances []*Instance          // those primaries
	Replicas  []*Instance          // one of each, in the same order; none in a plain Cluster
	Client    *redis.ClusterClient // as production would build it; closed with the test
}

// Cluster starts three servers, shares the slots among them and returns when all
// three call the cluster healthy, which takes about two seconds.
func Cluster(tb testing.TB) *Nodes {
	tb.Helper()
	n := &Nodes{}
	for range 3 {
		n.Instances = append(n.Instances, node(tb))
		n.Addrs = append(n.Addrs, n.Instances[len(n.Instances)-1].Addr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.join(ctx, tb); err != nil {
		tb.Fatalf("redistest: form cluster: %v", err)
	}
	n.Client = n.client(tb)
	return n
}

// ReplicatedCluster is a Cluster whose primaries have a replica each. A primary
// that is silent for two seconds is replaced by it.
func ReplicatedCluster(tb testing.TB, config ...string) *Nodes {
	tb.Helper()
	n := &Nodes{}
	for range 3 {
		n.Instances = append(n.Instances, node(tb, config...))
		n.Addrs = append(n.Addrs, n.Instances[len(n.Instances)-1].Addr)
		n.Replicas = append(n.Replicas, node(tb, config...))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(n.join(ctx, tb), n.replicate(ctx)); err != nil {
		tb.Fatalf("redistest: form cluster: %v", err)
	}
	n.Client = n.client(tb)
	return n
}

// node starts a server that can join a cluster.
func node(tb testing.TB, config ...string) *Instance {
	tb.Helper()
	return Own(tb, Options{Config: append([]string{
		clusterEnabled, "cluster-node-timeout 2000",
		"cluster-replica-validity-factor 0", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1",
	}, config...)})
}

// replicate lets each replica meet its primary and follow it.
func (n *Nodes) replicate(ctx context.Context) error {
	for i, replica := range n.Replicas {
		if err := n.follow(ctx, replica, n.Instances[i]); err != nil {
			return fmt.Errorf("let %s follow %s: %w", replica.Addr, n.Instances[i].Addr, err)
		}
	}
	return n.Ready(ctx)
}

// Ready waits until every node knows a primary and a replica for every slot, so
// that a failover can begin.
func (n *Nodes) Ready(ctx context.Context) error {
	for _, node := range n.All() {
		err := eventually(ctx, node.Addr+" knows the whole cluster", func() (bool, error) { return n.whole(ctx, node) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *Nodes) whole(ctx context.Context, node *Instance) (bool, error) {
	client := redis.NewClient(node.Options())
	defer client.Close()
	shards, err := client.ClusterShards(ctx).Result()
	covered := int64(0)
	for _, shard := range shards {
		if len(shard.Nodes) < 2 {
			continue
		}
		for _, r := range shard.Slots {
			covered += r.End - r.Start + 1
		}
	}
	return covered == slots, err
}

func (n *Nodes) follow(ctx context.Context, replica, primary *Instance) error {
	of, to := redis.NewClient(primary.Options()), redis.NewClient(replica.Options())
	defer of.Close()
	defer to.Close()
	id, err := of.ClusterMyID(ctx).Result()
	if err != nil {
		return err
	}
	if err := to.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", primary.settings.port, busPort(primary.settings.lines)).Err(); err != nil {
		return err
	}
	err = eventually(ctx, "the replica knows its primary", func() (bool, error) {
		err := to.ClusterReplicate(ctx, id).Err()
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return eventually(ctx, "the replica is in step", func() (bool, error) {
		link, err := info(ctx, replica, "master_link_status")
		return link == "up", err
	})
}

// All are the nodes of the cluster, primaries of the start first.
func (n *Nodes) All() []*Instance { return append(slices.Clone(n.Instances), n.Replicas...) }

// PrimaryOf is the node that answers for a key now. Nodes that are down are
// passed over.
func (n *Nodes) PrimaryOf(ctx context.Context, key string) (*Instance, error) {
	var failed error
	for _, node := range n.All() {
		owner, err := n.ownerBy(ctx, node, key)
		if err == nil {
			return owner, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, fmt.Errorf("who has the key %s: %w", key, failed)
}

// ownerBy asks one node.
func (n *Nodes) ownerBy(ctx context.Context, node *Instance, key string) (*Instance, error) {
	o := node.Options()
	o.DialTimeout, o.ReadTimeout = time.Second, time.Second
	client := redis.NewClient(o)
	defer client.Close()
	slot, err := client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return nil, err
	}
	shards, err := client.ClusterShards(ctx).Result()
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		if !holds(shard.Slots, slot) {
			continue
		}
		for _, member := range shard.Nodes {
			if member.Role == "master" {
				return n.at(net.JoinHostPort(member.IP, strconv.FormatInt(member.Port, 10)))
			}
		}
	}
	return nil, fmt.Errorf("%s knows nobody for slot %d", node.Addr, slot)
}

func holds(ranges []redis.SlotRange, slot int64) bool {
	return slices.ContainsFunc(ranges, func(r redis.SlotRange) bool { return slot >= r.Start && slot <= r.End })
}

func (n *Nodes) at(addr string) (*Instance, error) {
	for _, node := range n.All() {
		if node.Addr == addr {
			return node, nil
		}
	}
	return nil, fmt.Errorf("%s is no node of the cluster", addr)
}

// Prefix returns a key prefix that no other test uses. The keys go with the
// cluster.
func (n *Nodes) Prefix(tb testing.TB) string { return newPrefix(tb.Name()) }

func (n *Nodes) client(tb testing.TB) *redis.ClusterClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: n.Addrs, Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true,
	})
	tb.Cleanup(func() {
		if err := client.Close(); err != nil {
			tb.Errorf("redistest: close cluster client: %v", err)
		}
	})
	return client
}

// join gives each node its slots and has the first meet the others. Each starts
// with an epoch of its own, so that nothing has to be negotiated.
func (n *Nodes) join(ctx context.Context, tb testing.TB) error {
	clients := make([]*redis.Client, len(n.Instances))
	for i, node := range n.Instances {
		clients[i] = node.Client(tb)
		from, to := i*slots/len(n.Instances), (i+1)*slots/len(n.Instances)-1
		if err := clients[i].Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			return fmt.Errorf("epoch of %s: %w", node.Addr, err)
		}
		if err := clients[i].ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return fmt.Errorf("slots of %s: %w", node.Addr, err)
		}
	}
	for _, node := range n.Instances[1:] {
		if err := clients[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", node.settings.port, busPort(node.settings.lines)).Err(); err != nil {
			return fmt.Errorf("meet %s: %w", node.Addr, err)
		}
	}
	return awaitHealthy(ctx, clients)
}

const (
	clusterEnabled = "cluster-enabled yes"
	clusterPort    = "cluster-port "
)

// busPort is where a node with these settings talks to its peers, or "" where they
// leave it to Redis: 10,000 above its port, which is among those that the kernel
// gives to outgoing connections.
func busPort(lines []string) string {
	for _, line := range lines {
		if port, ok := strings.CutPrefix(line, clusterPort); ok {
			return port
		}
	}
	return ""
}

func awaitHealthy(ctx context.Context, clients []*redis.Client) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for _, client := range clients {
		for {
			info, err := client.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(clients))) {
				break
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return fmt.Errorf("%w; last state: %s", ctx.Err(), info)
			}
		}
	}
	return nil
}
