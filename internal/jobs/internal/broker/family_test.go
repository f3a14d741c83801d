package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// family stores a parent and its waiting children, as a flow of Node's does;
// flags are members of the children's field parent.
func (f *fixture) family(flags string, children ...string) {
	f.Helper()
	f.hset("parent", "name", "work", "data", "{}", "opts", "{}", "timestamp", f.now.UnixMilli(), "delay", 0, "priority", 0)
	f.do(fmt.Sprintf("zadd Q:waiting-children %d parent", f.now.UnixMilli()))
	if flags != "" {
		flags = "," + flags
	}
	queue := strings.TrimSuffix(f.keys.Base(), ":")
	for _, child := range children {
		f.add(newJob(child))
		f.hset(child, "parentKey", f.keys.Job("parent"), "parent", `{"id":"parent","queueKey":"`+queue+`"`+flags+`}`)
		f.do("sadd Q:parent:dependencies Q:" + child)
	}
}

func TestChildrenReleaseTheirParents(t *testing.T) {
	fails := func(f *fixture) any { return f.settle(0, outcome(broker.Failed, "a")) }
	completes := func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "a")) }
	with := func(flags string, children ...string) func(*fixture) {
		return func(f *fixture) {
			f.family(flags, children...)
			f.take("t", len(children))
		}
	}
	tellAll(t, "children", []scenario{
		{name: "one of two completes", given: with("", "a", "b"), when: completes},
		{name: "the last completes", given: with("", "a"), when: completes},
		{
			name: "the last completes and is not kept", given: with("", "a"),
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Completed, "a"), jobs.Retention{None: true}))
			},
		},
		{
			name:  "a parent with a priority",
			given: func(f *fixture) { with("", "a")(f); f.hset("parent", "priority", 2) }, when: completes,
		},
		{
			name:  "a parent with a delay, which begins now",
			given: func(f *fixture) { with("", "a")(f); f.hset("parent", "delay", 3000); f.pass(time.Minute) },
			when:  completes,
		},
		{
			name:  "a parent with a delay is what comes next",
			given: func(f *fixture) { with("", "a")(f); f.hset("parent", "delay", 3000); f.pass(time.Minute) },
			when:  func(f *fixture) any { return f.settle(1, outcome(broker.Completed, "a")) },
		},
		{
			name: "the released parent is taken by the same call", given: with("", "a"),
			when: func(f *fixture) any { return f.settle(1, outcome(broker.Completed, "a")) },
		},
		{
			name:  "in a paused queue",
			given: func(f *fixture) { with("", "a")(f); f.do("hset Q:meta paused 1", "del Q:marker") },
			when:  completes,
		},
		{name: "a failure without a flag leaves the parent waiting", given: with("", "a", "b"), when: fails},
		{name: "flags that are null count as none", given: with(`"fpof":null,"idof":false`, "a"), when: fails},
		{name: "a failure that fails the parent", given: with(`"fpof":true`, "a", "b"), when: fails},
		{
			name: "a failure that fails a delayed parent",
			given: func(f *fixture) {
				with(`"fpof":true`, "a")(f)
				f.do("zrem Q:waiting-children parent", "zadd Q:delayed 7372808191999999 parent")
				f.hset("parent", "delay", 1000)
			},
			when: fails,
		},
		{
			name: "a failure that fails an active parent later",
			given: func(f *fixture) {
				with(`"fpof":true`, "a")(f)
				f.do("zrem Q:waiting-children parent", "lpush Q:active parent", "set Q:parent:lock t9 px 60000")
				f.hset("parent", "processedOn", f.now.UnixMilli(), "ats", 1)
			},
			when: fails,
		},
		{name: "a failure that releases the parent at once", given: with(`"cpof":true`, "a", "b"), when: fails},
		{name: "a failure that is ignored, with others pending", given: with(`"idof":true`, "a", "b"), when: fails},
		{name: "the last failure is ignored", given: with(`"idof":true`, "a"), when: fails},
		{name: "the last failure is removed", given: with(`"rdof":true`, "a"), when: fails},
		{
			name: "a failure that is not kept", given: with("", "a"),
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Failed, "a"), jobs.Retention{None: true}))
			},
		},
		{name: "not on a retry", given: with(`"fpof":true`, "a"), when: func(f *fixture) any {
			return f.settle(0, after(outcome(broker.Backoff, "a"), time.Second))
		}},
		{
			name: "a parent with pending children cannot complete",
			given: func(f *fixture) {
				f.family("", "a")
				f.do("zrem Q:waiting-children parent", "rpush Q:wait parent")
				f.take("t", 1)
			},
			when: func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "parent")) },
		},
		{
			name: "a parent with failed children cannot complete, but fail",
			given: func(f *fixture) {
				f.active("t", "parent", "b")
				f.do("zadd Q:parent:unsuccessful 5 Q:gone", "zadd Q:b:unsuccessful 5 Q:gone")
			},
			when: func(f *fixture) any {
				return f.settle(0, outcome(broker.Completed, "parent"), outcome(broker.Failed, "b"))
			},
		},
		{
			name: "a failed child that runs again is waited for again",
			given: func(f *fixture) {
				with(`"fpof":true`, "a", "b")(f)
				fails(f)
				f.do("lrem Q:wait 0 parent", "zadd Q:waiting-children 5 parent")
			},
			when: func(f *fixture) any {
				return onlyErr(f.broker().Retry(f.ctx, "a", jobs.Failed, broker.Reset{}, false))
			},
		},
		{
			name:  "an ignored child that runs again is waited for again",
			given: func(f *fixture) { with(`"idof":true`, "a", "b")(f); fails(f) },
			when: func(f *fixture) any {
				n, err := f.broker().RetryMany(f.ctx, jobs.Failed, time.Time{}, 10)
				return answer(n, err)
			},
			differs: true,
		},
		{
			name:  "a completed child that runs again is waited for again",
			given: func(f *fixture) { with("", "a", "b")(f); completes(f) },
			when: func(f *fixture) any {
				return onlyErr(f.broker().Retry(f.ctx, "a", jobs.Completed, broker.Reset{}, false))
			},
		},
		{
			name: "the last child is removed", given: func(f *fixture) { f.family("", "a") },
			when: func(f *fixture) any { return onlyErr(f.broker().Remove(f.ctx, "a", false)) },
		},
		{
			name: "the last child is drained and takes its parent along", given: func(f *fixture) { f.family("", "a") },
			when:    func(f *fixture) any { n, err := f.broker().Drain(f.ctx, false); return answer(n, err) },
			differs: true,
		},
		{
			name: "a parent is removed with its children", given: func(f *fixture) {
				f.family("", "a")
				f.add(newJob("b"))
				f.do("hset Q:parent:processed Q:b 1")
			},
			when: func(f *fixture) any { return onlyErr(f.broker().Remove(f.ctx, "parent", true)) },
		},
		{
			name: "a parent is not removed while a child is being worked on", given: with("", "a", "b"),
			when: func(f *fixture) any { return onlyErr(f.broker().Remove(f.ctx, "parent", true)) },
		},
		{
			name: "a parent is removed without its children", given: func(f *fixture) { f.family("", "a") },
			when: func(f *fixture) any {
				result := onlyErr(f.broker().Remove(f.ctx, "parent", false))
				return result
			},
		},
	})
}

// A family is larger than what one call removes, or looks at.
func TestAParentIsRemovedWithAllItsChildren(t *testing.T) {
	fill := redis.NewScript(`
		for i = 1, 1500 do
			local child = KEYS[1] .. 'c' .. i
			redis.call('HSET', child, 'name', 'work', 'data', '{}', 'opts', '{}', 'timestamp', 1, 'parentKey', KEYS[1] .. 'parent')
			if i <= 200 then
				redis.call('ZADD', KEYS[1] .. 'completed', i, 'c' .. i)
				redis.call('HSET', KEYS[1] .. 'parent:processed', child, '1')
			else
				redis.call('LPUSH', KEYS[1] .. 'wait', 'c' .. i)
				redis.call('SADD', KEYS[1] .. 'parent:dependencies', child)
			end
			redis.call('HSET', KEYS[1] .. 'parent:processed', KEYS[1] .. 'gone' .. i, '1')
		end`)
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.family("")
		f.add(newJob("other"))
		if err := fill.Run(f.ctx, f.client, []string{f.keys.Base()}).Err(); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		f.do("set Q:c500:lock t")
		if err := f.broker().Remove(f.ctx, "parent", true); !errors.Is(err, jobs.ErrLocked) {
			t.Errorf("while a child is being worked on: %v", err)
		}
		f.do("del Q:c500:lock")
		if err := f.broker().Remove(f.ctx, "parent", true); err != nil {
			t.Fatal(err)
		}
		got, err := f.broker().Counts(f.ctx)
		if diff := cmp.Diff(broker.Counts{Waiting: 1, OldestWaiting: epoch}, got); err != nil || diff != "" {
			t.Errorf("error %v, left (-want +got):\n%s", err, diff)
		}
		entries, err := f.client.XRange(f.ctx, f.keys.Events(), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		told := map[any]int{}
		for _, entry := range entries {
			told[entry.Values["event"]]++
		}
		if diff := cmp.Diff(map[any]int{"added": 1, "waiting": 2, "removed": 1501}, told); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
