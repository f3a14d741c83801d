// Package census counts what is in a queue's Redis when everything is over.
//
// It walks the stored format with SCAN and its relatives, a bounded page at a
// time, so that a server with millions of keys is not held up by it, and tells
// where each job is. It knows the format from docs/protocol.md and shares no code
// with the queue: the two have to agree without having learnt from each other.
package census

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Census is what was found.
type Census struct {
	Places  map[string][]string // id → every place that holds it: "wait", "completed", …
	Hashes  map[string]bool     // ids with a hash
	Locks   map[string]bool     // ids with a lock
	Marker  bool
	Paused  bool
	Strange []string // keys of the queue that no job and no format explains
}

// Finished reports whether a job is in a place that it does not leave by itself.
func Finished(place string) bool { return place == "completed" || place == "failed" }

var lists = []string{"wait", "active", "paused"}
var sets = []string{"prioritized", "delayed", "completed", "failed", "waiting-children"}

// page is how many elements one call asks for.
const page = 1000

// Take makes a census of a queue. Nobody should be working on it, or jobs that
// move are met twice or not at all.
func Take(ctx context.Context, client redis.UniversalClient, prefix, queue string) (*Census, error) {
	c := &Census{Places: map[string][]string{}, Hashes: map[string]bool{}, Locks: map[string]bool{}}
	base := prefix + ":" + queue + ":"
	for _, name := range lists {
		if err := c.walkList(ctx, client, base, name); err != nil {
			return nil, err
		}
	}
	for _, name := range sets {
		if err := c.walkSet(ctx, client, base, name); err != nil {
			return nil, err
		}
	}
	if err := c.walkKeys(ctx, client, base); err != nil {
		return nil, err
	}
	paused, err := client.HExists(ctx, base+"meta", "paused").Result()
	c.Paused = paused
	if err != nil {
		return nil, fmt.Errorf("read meta: %w", err)
	}
	return c, nil
}

func (c *Census) walkList(ctx context.Context, client redis.UniversalClient, base, name string) error {
	for from := int64(0); ; from += page {
		ids, err := client.LRange(ctx, base+name, from, from+page-1).Result()
		if err != nil {
			return fmt.Errorf("read list %s: %w", name, err)
		}
		for _, id := range ids {
			c.Places[id] = append(c.Places[id], name)
		}
		if len(ids) < page {
			return nil
		}
	}
}

func (c *Census) walkSet(ctx context.Context, client redis.UniversalClient, base, name string) error {
	seen := map[string]bool{} // ZSCAN may give a member twice
	for cursor := uint64(0); ; {
		pairs, next, err := client.ZScan(ctx, base+name, cursor, "", page).Result()
		if err != nil {
			return fmt.Errorf("read set %s: %w", name, err)
		}
		for i := 0; i < len(pairs); i += 2 {
			if id := pairs[i]; !seen[id] {
				seen[id] = true
				c.Places[id] = append(c.Places[id], name)
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// own are the keys of a queue that belong to no job.
var own = map[string]bool{
	"id": true, "meta": true, "wait": true, "prioritized": true, "pc": true, "delayed": true, "active": true, "paused": true,
	"completed": true, "failed": true, "waiting-children": true, "marker": true, "stalled": true, "stalled-check": true,
	"limiter": true, "events": true, "repeat": true,
}

func (c *Census) walkKeys(ctx context.Context, client redis.UniversalClient, base string) error {
	for cursor := uint64(0); ; {
		keys, next, err := client.Scan(ctx, cursor, escape(base)+"*", page).Result()
		if err != nil {
			return fmt.Errorf("scan keys: %w", err)
		}
		for _, key := range keys {
			c.sort(strings.TrimPrefix(key, base))
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// sort puts one key where it belongs.
func (c *Census) sort(key string) {
	id, part, hasPart := strings.Cut(key, ":")
	switch {
	case key == "marker":
		c.Marker = true
	case own[key] || id == "metrics":
	case !hasPart:
		c.Hashes[key] = true
	case part == "lock":
		c.Locks[id] = true
	case part == "logs":
	default:
		c.Strange = append(c.Strange, key)
	}
}

// escape makes a pattern of SCAN that matches the text itself.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}
