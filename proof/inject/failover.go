package inject

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
)

// Failover is a fault: the primary of the group dies, a replica takes its place,
// and the old one comes back as a replica.
func Failover(group *redistest.Group) Fault {
	return Fault{Name: "failover", Do: func(ctx context.Context, _ *rand.Rand) error {
		return failover(ctx, group, (*redistest.Instance).Kill, (*redistest.Instance).Restart)
	}}
}

// Zombie is a fault: the primary stands still until a replica has taken its
// place, and then goes on as if it still were the primary, until it is told.
func Zombie(group *redistest.Group) Fault {
	return Fault{Name: "failover with a zombie", Do: func(ctx context.Context, _ *rand.Rand) error {
		return failover(ctx, group, (*redistest.Instance).Pause, (*redistest.Instance).Resume)
	}}
}

func failover(ctx context.Context, group *redistest.Group, strike, heal func(*redistest.Instance)) error {
	old, err := group.Primary(ctx)
	if err != nil {
		return err
	}
	strike(old)
	_, err = group.AwaitFailover(ctx, old)
	heal(old)
	ctx, cancel := healing(ctx)
	defer cancel()
	return errors.Join(err, group.Ready(ctx))
}

// Partition is a fault: the Sentinels and the replicas lose sight of the primary
// and put another in its place, while clients still reach the old one, which goes
// on answering them. It heals some time after the failover.
//
// The old primary refuses what only they need, which looks the same to all sides.
func Partition(group *redistest.Group, longer Span) Fault {
	return Fault{Name: "failover with a partition", Do: func(ctx context.Context, r *rand.Rand) error {
		old, err := group.Primary(ctx)
		if err != nil {
			return err
		}
		if err := cutOff(ctx, old); err != nil {
			return err
		}
		_, err = group.AwaitFailover(ctx, old)
		err = errors.Join(err, last(ctx, longer.draw(r)))
		ctx, cancel := healing(ctx)
		defer cancel()
		return errors.Join(err, permit(ctx, old), group.Ready(ctx))
	}}
}

// cutOff hides a primary from its Sentinels and replicas.
func cutOff(ctx context.Context, primary *redistest.Instance) error {
	client := operator(primary)
	defer client.Close()
	for _, words := range [][]any{
		{"ACL", "SETUSER", "default", "-ping", "-info", "-sync", "-psync", "-replconf", "-publish", "-replicaof", "-slaveof"},
		{"CLIENT", "KILL", "TYPE", "replica"},
	} {
		if err := client.Do(ctx, words...).Err(); err != nil {
			return errors.Join(fmt.Errorf("cut off %s: %w", primary.Addr, err), permit(ctx, primary))
		}
	}
	return nil
}

// permit lets them see it again.
func permit(ctx context.Context, primary *redistest.Instance) error {
	client := operator(primary)
	defer client.Close()
	if err := client.Do(ctx, "ACL", "SETUSER", "default", "+@all").Err(); err != nil {
		return fmt.Errorf("permit %s: %w", primary.Addr, err)
	}
	return nil
}

// NodeFailover is a fault: the node of the cluster that holds a key dies, its
// replica takes its place, and the old one comes back as a replica.
func NodeFailover(cluster *redistest.Nodes, key string) Fault {
	return nodeFailover("cluster failover", cluster, key, (*redistest.Instance).Kill, (*redistest.Instance).Restart)
}

// ZombieNode is NodeFailover with a node that stands still instead, and goes on
// when its replica has taken over.
func ZombieNode(cluster *redistest.Nodes, key string) Fault {
	return nodeFailover("cluster failover with a zombie", cluster, key, (*redistest.Instance).Pause, (*redistest.Instance).Resume)
}

func nodeFailover(name string, cluster *redistest.Nodes, key string, strike, heal func(*redistest.Instance)) Fault {
	return Fault{Name: name, Do: func(ctx context.Context, _ *rand.Rand) error {
		old, err := cluster.PrimaryOf(ctx, key)
		if err != nil {
			return err
		}
		strike(old)
		err = takeover(ctx, cluster, key, old)
		heal(old)
		ctx, cancel := healing(ctx)
		defer cancel()
		return errors.Join(err, cluster.Ready(ctx))
	}}
}

func takeover(ctx context.Context, cluster *redistest.Nodes, key string, old *redistest.Instance) error {
	for {
		now, err := cluster.PrimaryOf(ctx, key)
		if err == nil && now != old {
			return nil
		}
		if waited := last(ctx, 20*time.Millisecond); waited != nil {
			return errors.Join(fmt.Errorf("nobody took over from %s: %w", old.Addr, waited), err)
		}
	}
}

// Migrate is a fault: the slot of a key moves to another node of the cluster,
// key by key, while clients use it.
func Migrate(cluster *redistest.Nodes, key string) Fault {
	return Fault{Name: "slot migration", Do: func(ctx context.Context, r *rand.Rand) error {
		from, err := cluster.PrimaryOf(ctx, key)
		if err != nil {
			return err
		}
		to, err := another(ctx, cluster, from, r)
		if err != nil {
			return err
		}
		m, err := newMigration(ctx, cluster, key, from, to)
		if err != nil {
			return err
		}
		defer m.close()
		return m.run(ctx)
	}}
}

// another draws a primary that is not from.
func another(ctx context.Context, cluster *redistest.Nodes, from *redistest.Instance, r *rand.Rand) (*redistest.Instance, error) {
	var others []*redistest.Instance
	for _, node := range cluster.All() {
		client := operator(node)
		role, err := client.Do(ctx, "ROLE").Slice()
		client.Close()
		if err != nil {
			return nil, fmt.Errorf("role of %s: %w", node.Addr, err)
		}
		if node != from && role[0] == "master" {
			others = append(others, node)
		}
	}
	if len(others) == 0 {
		return nil, errors.New("the cluster has no other primary")
	}
	return others[r.IntN(len(others))], nil
}

// migration moves one slot.
type migration struct {
	slot         int64
	from, to     *redis.Client
	fromID, toID string
	target       *redistest.Instance
	others       []*redis.Client
}

func newMigration(ctx context.Context, cluster *redistest.Nodes, key string, from, to *redistest.Instance) (*migration, error) {
	m := &migration{from: operator(from), to: operator(to), target: to}
	for _, node := range cluster.All() {
		if node != from && node != to {
			m.others = append(m.others, operator(node))
		}
	}
	var err, fromErr, toErr error
	m.slot, err = m.from.ClusterKeySlot(ctx, key).Result()
	m.fromID, fromErr = m.from.ClusterMyID(ctx).Result()
	m.toID, toErr = m.to.ClusterMyID(ctx).Result()
	if err := errors.Join(err, fromErr, toErr); err != nil {
		m.close()
		return nil, fmt.Errorf("prepare to move a slot: %w", err)
	}
	return m, nil
}

func (m *migration) close() {
	m.from.Close()
	m.to.Close()
	for _, client := range m.others {
		client.Close()
	}
}

// run is what redis-cli does to move a slot, in the order that the manual gives.
func (m *migration) run(ctx context.Context) error {
	if err := m.setslot(ctx, m.to, "IMPORTING", m.fromID); err != nil {
		return err
	}
	if err := m.setslot(ctx, m.from, "MIGRATING", m.toID); err != nil {
		return err
	}
	if err := m.keys(ctx); err != nil {
		return err
	}
	for _, client := range []*redis.Client{m.to, m.from} {
		if err := m.setslot(ctx, client, "NODE", m.toID); err != nil {
			return err
		}
	}
	return m.spread(ctx)
}

func (m *migration) setslot(ctx context.Context, client *redis.Client, how, id string) error {
	if err := client.Do(ctx, "CLUSTER", "SETSLOT", m.slot, how, id).Err(); err != nil {
		return fmt.Errorf("set slot %d %s: %w", m.slot, how, err)
	}
	return nil
}

// keys moves the slot's keys, a few at a time.
func (m *migration) keys(ctx context.Context) error {
	for {
		keys, err := m.from.ClusterGetKeysInSlot(ctx, int(m.slot), 10).Result()
		if err != nil {
			return fmt.Errorf("list keys of slot %d: %w", m.slot, err)
		}
		if len(keys) == 0 {
			return nil
		}
		if err := m.move(ctx, keys); err != nil {
			return fmt.Errorf("move keys of slot %d: %w", m.slot, err)
		}
	}
}

func (m *migration) move(ctx context.Context, keys []string) error {
	host, port, err := net.SplitHostPort(m.target.Addr)
	if err != nil {
		return err
	}
	words := []any{"MIGRATE", host, port, "", 0, 5000, "REPLACE", "KEYS"}
	for _, key := range keys {
		words = append(words, key)
	}
	return m.from.Do(ctx, words...).Err()
}

// spread waits until the other nodes have heard where the slot is.
func (m *migration) spread(ctx context.Context) error {
	for _, client := range m.others {
		for {
			ranges, err := client.ClusterSlots(ctx).Result()
			if err == nil && owner(ranges, m.slot) == m.target.Addr {
				break
			}
			if waited := last(ctx, 20*time.Millisecond); waited != nil {
				return errors.Join(fmt.Errorf("news of slot %d: %w", m.slot, waited), err)
			}
		}
	}
	return nil
}

// owner is the address of the node that answers for a slot.
func owner(ranges []redis.ClusterSlot, slot int64) string {
	for _, r := range ranges {
		if slot >= int64(r.Start) && slot <= int64(r.End) {
			return r.Nodes[0].Addr
		}
	}
	return ""
}
