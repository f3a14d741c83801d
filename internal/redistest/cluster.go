package redistest

import (
	"context"
	"fmt"
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
	Addrs     []string
	Instances []*Instance
	Client    *redis.ClusterClient // as production would build it; closed with the test
}

// Cluster starts three servers, shares the slots among them and returns when all
// three call the cluster healthy, which takes about two seconds.
func Cluster(tb testing.TB) *Nodes {
	tb.Helper()
	n := &Nodes{}
	for range 3 {
		node := Own(tb, Options{Config: []string{
			"cluster-enabled yes", "cluster-port " + strconv.Itoa(freePort()), "cluster-node-timeout 2000",
		}})
		n.Instances = append(n.Instances, node)
		n.Addrs = append(n.Addrs, node.Addr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.join(ctx, tb); err != nil {
		tb.Fatalf("redistest: form cluster: %v", err)
	}
	n.Client = n.client(tb)
	return n
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
		if err := clients[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", node.settings.port, node.busPort()).Err(); err != nil {
			return fmt.Errorf("meet %s: %w", node.Addr, err)
		}
	}
	return awaitHealthy(ctx, clients)
}

// busPort is where the node talks to its peers.
func (i *Instance) busPort() string {
	for _, line := range i.settings.lines {
		if port, ok := strings.CutPrefix(line, "cluster-port "); ok {
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
