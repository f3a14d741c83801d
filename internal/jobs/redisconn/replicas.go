package redisconn

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Replicas is how many replicas have to acknowledge a job before it counts as
// added.
func (c *Conn) Replicas() int { return c.replicas }

// ReplicaTimeout is how long one call waits for them.
func (c *Conn) ReplicaTimeout() time.Duration { return c.replicaTimeout }

// PrimaryOf is the server that holds a key, for calls that must reach the same
// one although not all of them name it. The client belongs to c.
func (c *Conn) PrimaryOf(ctx context.Context, key string) (*redis.Client, error) {
	switch client := c.UniversalClient.(type) {
	case *redis.ClusterClient:
		return client.MasterForKey(ctx, key)
	case *redis.Client:
		return client, nil
	default:
		return nil, fmt.Errorf("a %T has no primary", client)
	}
}

// Moved says that a key was not where PrimaryOf said. On a Cluster the map of
// slots is then read again, soon.
func (c *Conn) Moved(ctx context.Context) {
	if cluster, ok := c.UniversalClient.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}
