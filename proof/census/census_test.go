package census_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/census"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestEveryJobIsFoundWhereItIs(t *testing.T) {
	server := redistest.Shared(t)
	client, prefix := server.Client(t), server.Prefix(t)
	base := prefix + ":q:"
	ctx := t.Context()
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range []string{"w", "both", "done", "naked"} {
			p.HSet(ctx, base+id, "name", "n")
		}
		p.RPush(ctx, base+"wait", "w", "both")
		p.LPush(ctx, base+"active", "both", "ghost")
		p.ZAdd(ctx, base+"completed", redis.Z{Score: 1, Member: "done"})
		p.Set(ctx, base+"both:lock", "t", 0)
		p.Set(ctx, base+"w:strange", "t", 0)
		p.ZAdd(ctx, base+"marker", redis.Z{Member: "0"})
		p.HSet(ctx, base+"meta", "paused", "1")
		p.Set(ctx, prefix+":q2:other", "1", 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &census.Census{
		Places: map[string][]string{"w": {"wait"}, "both": {"wait", "active"}, "ghost": {"active"}, "done": {"completed"}},
		Hashes: map[string]bool{"w": true, "both": true, "done": true, "naked": true},
		Locks:  map[string]bool{"both": true},
		Marker: true, Paused: true, Strange: []string{"w:strange"},
	}
	if diff := cmp.Diff(want, take(ctx, t, client, prefix)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPagesAreReadToTheirEnd(t *testing.T) {
	server := redistest.Shared(t)
	client, prefix := server.Client(t), server.Prefix(t)
	ctx := t.Context()
	const n = 2500
	_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range n {
			p.RPush(ctx, prefix+":q:wait", fmt.Sprint("w", i))
			p.ZAdd(ctx, prefix+":q:failed", redis.Z{Score: float64(i), Member: fmt.Sprint("f", i)})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(take(ctx, t, client, prefix).Places); got != 2*n {
		t.Errorf("%d jobs, want %d", got, 2*n)
	}
}

func take(ctx context.Context, t *testing.T, client redis.UniversalClient, prefix string) *census.Census {
	t.Helper()
	c, err := census.Take(ctx, client, prefix, "q")
	if err != nil {
		t.Fatal(err)
	}
	return c
}
