package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/redistest"
)

// With a hash tag in the prefix all keys of a queue, the private ones included,
// live in one slot, so every script runs on a Cluster.
func TestEveryScriptRunsOnACluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	for _, prefix := range []string{"{one}", "{two}", "{three}"} { // one of each node's slots, or nearly
		f := &fixture{
			TB: t, ctx: t.Context(), client: nodes.Client, lossy: &lossyHook{}, now: epoch,
			keys: wire.NewKeys(prefix, "q"),
		}
		f.livesALife(t)
		f.must()
	}
}

// While a slot moves from server to server, key by key, a script would find some
// of the queue's keys gone: none begins before the move is over.
func TestNothingIsHalfDoneWhileASlotMoves(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	f := &fixture{
		TB: t, ctx: t.Context(), client: nodes.Client, lossy: &lossyHook{}, now: epoch,
		keys: wire.NewKeys("{moving}", "q"),
	}
	f.add(newJob("before"))
	slot := int(nodes.Client.ClusterKeySlot(f.ctx, f.keys.Meta()).Val())
	home, err := nodes.Client.MasterForKey(f.ctx, f.keys.Meta())
	if err != nil {
		t.Fatal(err)
	}
	move := func(server *redis.Client, words ...any) {
		t.Helper()
		if err := server.Do(f.ctx, append([]any{"cluster", "setslot", slot}, words...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	goal := nodes.Instances[0].Client(t)
	if goal.Options().Addr == home.Options().Addr {
		goal = nodes.Instances[1].Client(t)
	}
	move(goal, "importing", home.Do(f.ctx, "cluster", "myid").Val())
	move(home, "migrating", goal.Do(f.ctx, "cluster", "myid").Val())
	want := invariant.DumpState(t, f.client, f.keys)

	ctx, cancel := context.WithTimeout(f.ctx, 300*time.Millisecond)
	defer cancel()
	_, addErr := f.broker().Add(ctx, []broker.NewJob{newJob("during")})
	_, takeErr := f.broker().Settle(ctx, nil, fetch("t", 1))
	for what, err := range map[string]error{"add": addErr, "take": takeErr} {
		if !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("%s: %v, wanted jobs.ErrUnavailable", what, err)
		}
	}
	if diff := cmp.Diff(want, invariant.DumpState(t, f.client, f.keys)); diff != "" {
		t.Errorf("something was done (-before +after):\n%s", diff)
	}
	move(home, "stable")
	move(goal, "stable")
	f.add(newJob("after"))
	f.take("t2", 2)
}

// livesALife calls every operation of the broker once, in an order in which each
// has something to do.
func (f *fixture) livesALife(t *testing.T) {
	t.Helper()
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	f.add(newJob("a"), given("b"), ranked("c", 3), late("d", time.Hour))
	many := make([]broker.NewJob, 3*broker.MaxBatch)
	for i := range many {
		many[i] = ranked("many"+string(rune('A'+i/26))+string(rune('a'+i%26)), 9)
	}
	existed, err := f.broker().AddMany(f.ctx, many)
	do("add many", err)
	if len(existed) != len(many) {
		t.Errorf("add many: %d answers", len(existed))
	}
	f.take("t", 3)
	do("progress", f.broker().Progress(f.ctx, "a", []byte(`1`)))
	_, err = f.broker().Log(f.ctx, "a", "line", 5)
	do("log", err)
	do("update data", f.broker().UpdateData(f.ctx, "a", []byte(`1`)))
	renewed, err := f.broker().Renew(f.ctx, []broker.Lease{{ID: "a", Token: "t", Started: 1}, {ID: "b", Token: "t", Started: 1}}, lease)
	do("renew", err)
	if diff := cmp.Diff([]error{nil, nil}, renewed); diff != "" {
		t.Errorf("renew (-want +got):\n%s", diff)
	}
	f.suspect(-1)
	f.die("c")
	swept, err := f.broker().Sweep(f.ctx, rule(-1))
	do("sweep", err)
	if diff := cmp.Diff([]string{"c"}, swept.Recovered); diff != "" {
		t.Errorf("sweep (-want +got):\n%s", diff)
	}
	_, _, err = f.broker().Isolate(f.ctx, "c", "t9")
	do("isolate", err)
	do("acquit", f.broker().Acquit(f.ctx, "c"))
	settled, err := f.broker().Settle(f.ctx, []broker.Outcome{outcome(broker.Completed, "a"), outcome(broker.Failed, "b")}, fetch("t2", 1))
	do("settle", err)
	if len(settled.Taken) != 1 || settled.Taken[0].ID != "c" {
		t.Errorf("settle took %v", settled.Taken)
	}
	f.settle(0, by("t2", outcome(broker.Completed, "c")))
	do("change delay", f.broker().ChangeDelay(f.ctx, "d", time.Minute))
	do("change priority", f.broker().ChangePriority(f.ctx, "manyAa", 1, false))
	do("promote", f.broker().Promote(f.ctx, "d"))
	do("retry", f.broker().Retry(f.ctx, "a", jobs.Completed, broker.Reset{}, false))
	_, err = f.broker().RetryMany(f.ctx, jobs.Failed, time.Time{}, 10)
	do("retry many", err)
	do("remove", f.broker().Remove(f.ctx, "a", true))
	_, err = f.broker().Pause(f.ctx)
	do("pause", err)
	do("resume", f.broker().Resume(f.ctx))
	_, err = f.broker().Clean(f.ctx, jobs.Completed, f.now, 0)
	do("clean", err)
	_, _, err = f.broker().Get(f.ctx, "d")
	do("get", err)
	_, err = f.broker().Counts(f.ctx)
	do("counts", err)
	_, _, err = f.broker().Page(f.ctx, jobs.Prioritized, 0, 10)
	do("page", err)
	f.do("zadd Q:repeat 1800000000000 daily", "hset Q:repeat:daily name tick every 60000")
	_, err = f.broker().Advance(f.ctx, broker.Advance{
		Scheduler: "daily", JobID: "repeat:daily:1800000000000", Every: time.Minute, Options: []byte(`{"attempts":1}`),
	})
	do("advance", err)
	_, err = f.broker().Drain(f.ctx, true)
	do("drain", err)
	invariant.Must(t, f.client, f.keys, invariant.Options{})
	_, err = f.broker().Pause(f.ctx)
	do("pause", err)
	do("obliterate", f.broker().Obliterate(f.ctx, true))
}
