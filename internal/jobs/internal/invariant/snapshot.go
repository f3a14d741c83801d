package invariant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// value is what one key holds; of its fields those count that belong to its kind.
type value struct {
	kind    string // as TYPE tells it
	text    string
	list    []string
	hash    map[string]string
	set     []string
	zset    []redis.Z
	stream  []redis.XMessage
	expires bool
}

// snapshot is every key of a queue by the part of its name behind the base.
type snapshot struct {
	base   string
	keys   map[string]value
	others map[string]bool // full keys of jobs in other queues, and whether they exist
}

// patience bounds the reading of one queue.
const patience = 30 * time.Second

func read(tb testing.TB, client redis.UniversalClient, keys wire.Keys) *snapshot {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &snapshot{base: keys.Base(), keys: map[string]value{}}
	names, err := scan(ctx, client, keys.Base())
	if err == nil {
		err = s.load(ctx, client, names)
	}
	if err == nil {
		err = s.loadOthers(ctx, client)
	}
	if err != nil {
		tb.Fatalf("invariant: read %s: %v", keys.Base(), err)
	}
	return s
}

// scan finds the keys with a prefix, on every node of a Cluster.
func scan(ctx context.Context, client redis.UniversalClient, base string) ([]string, error) {
	pattern := escape(base) + "*"
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return scanNode(ctx, client, pattern)
	}
	var mu sync.Mutex
	var names []string
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		found, err := scanNode(ctx, node, pattern)
		mu.Lock()
		defer mu.Unlock()
		names = append(names, found...)
		return err
	})
	return names, err
}

func scanNode(ctx context.Context, client redis.Cmdable, pattern string) ([]string, error) {
	var names []string
	found := client.Scan(ctx, 0, pattern, 10_000).Iterator()
	for found.Next(ctx) {
		names = append(names, found.Val())
	}
	slices.Sort(names)
	return slices.Compact(names), found.Err()
}

// escape makes a pattern that matches only the text itself.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}

func (s *snapshot) load(ctx context.Context, client redis.UniversalClient, names []string) error {
	kinds := make([]*redis.StatusCmd, len(names))
	ttls := make([]*redis.DurationCmd, len(names))
	_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, name := range names {
			kinds[i], ttls[i] = pipe.Type(ctx, name), pipe.PTTL(ctx, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	contents := make([]redis.Cmder, len(names))
	_, err = client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, name := range names {
			contents[i] = fetch(ctx, pipe, name, kinds[i].Val())
		}
		return nil
	})
	if err != nil && err != redis.Nil { // a key may run out between the two
		return err
	}
	for i, name := range names {
		if kinds[i].Val() == "none" {
			continue
		}
		v := valueOf(kinds[i].Val(), contents[i])
		v.expires = ttls[i].Val() > 0
		s.keys[strings.TrimPrefix(name, s.base)] = v
	}
	return nil
}

func fetch(ctx context.Context, pipe redis.Pipeliner, name, kind string) redis.Cmder {
	switch kind {
	case "list":
		return pipe.LRange(ctx, name, 0, -1)
	case "hash":
		return pipe.HGetAll(ctx, name)
	case "set":
		return pipe.SMembers(ctx, name)
	case "zset":
		return pipe.ZRangeWithScores(ctx, name, 0, -1)
	case "stream":
		return pipe.XRange(ctx, name, "-", "+")
	default:
		return pipe.Get(ctx, name)
	}
}

func valueOf(kind string, content redis.Cmder) value {
	v := value{kind: kind}
	switch c := content.(type) {
	case *redis.StringSliceCmd:
		v.list, v.set = c.Val(), slices.Sorted(slices.Values(c.Val()))
	case *redis.MapStringStringCmd:
		v.hash = c.Val()
	case *redis.ZSliceCmd:
		v.zset = c.Val()
	case *redis.XMessageSliceCmd:
		v.stream = c.Val()
	case *redis.StringCmd:
		v.text = c.Val()
	}
	return v
}

// loadOthers learns which jobs of other queues exist that jobs here name.
func (s *snapshot) loadOthers(ctx context.Context, client redis.UniversalClient) error {
	s.others = map[string]bool{}
	var names []string
	for _, suffix := range s.suffixes() {
		v := s.keys[suffix]
		names = append(names, v.hash["parentKey"])
		if strings.HasSuffix(suffix, ":dependencies") {
			names = append(names, v.set...)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "" || strings.HasPrefix(name, s.base)
	})
	for _, name := range names {
		n, err := client.Exists(ctx, name).Result()
		if err != nil {
			return fmt.Errorf("look for %s: %w", name, err)
		}
		s.others[name] = n == 1
	}
	return nil
}

// exists reports whether a job is stored under a full key.
func (s *snapshot) exists(key string) bool {
	if suffix, ours := strings.CutPrefix(key, s.base); ours {
		return s.keys[suffix].kind == "hash"
	}
	return s.others[key]
}

func (s *snapshot) suffixes() []string {
	names := make([]string, 0, len(s.keys))
	for name := range s.keys {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
