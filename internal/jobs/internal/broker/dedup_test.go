package broker_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// owner is an active job a that owns the deduplication id x, as Node adds it.
func (f *fixture) owner() {
	f.active("t", "a")
	f.hset("a", "deid", "x")
	f.do("set Q:de:x a")
}

// kept stores what Node keeps for the time after the owner.
func (f *fixture) kept(pairs ...any) {
	f.Helper()
	fields := append([]any{"name", "later", "data", `{"v":3}`, "opts", `{"de":{"id":"x","keepLastIfActive":true},"attempts":0}`}, pairs...)
	f.hset("dn:x", fields...)
}

func TestDeduplicationEndsWithItsOwner(t *testing.T) {
	completes := func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "a")) }
	tellAll(t, "dedup", []scenario{
		{name: "the key goes", given: func(f *fixture) { f.owner() }, when: completes},
		{
			name:  "a throttle window stays open",
			given: func(f *fixture) { f.owner(); f.do("pexpire Q:de:x 60000") }, when: completes,
		},
		{
			name:  "another owner's key stays",
			given: func(f *fixture) { f.owner(); f.add(newJob("b")); f.do("set Q:de:x b") }, when: completes,
		},
		{
			name:  "not on a retry",
			given: func(f *fixture) { f.owner() },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.Retry, "a")) },
		},
		{
			name:  "the job kept for afterwards is added under its own id",
			given: func(f *fixture) { f.owner(); f.kept("jid", "mine") }, when: completes,
		},
		{
			name:  "and under the next number without one",
			given: func(f *fixture) { f.owner(); f.kept() }, when: completes,
		},
		{
			name:  "after a failure too",
			given: func(f *fixture) { f.owner(); f.kept("jid", "mine") },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.Failed, "a")) },
		},
		{
			name:  "and is taken by the same call",
			given: func(f *fixture) { f.owner(); f.kept("jid", "mine") },
			when:  func(f *fixture) any { return f.settle(1, outcome(broker.Completed, "a")) },
		},
		{
			name: "with its delay, which begins now",
			given: func(f *fixture) {
				f.owner()
				f.kept("jid", "mine", "opts", `{"de":{"id":"x","keepLastIfActive":true},"delay":2000,"priority":3}`)
				f.pass(time.Minute)
			},
			when: func(f *fixture) any { return f.settle(1, outcome(broker.Completed, "a")) },
		},
		{
			name: "with its priority and a window of its own",
			given: func(f *fixture) {
				f.owner()
				f.kept("jid", "mine", "opts", `{"de":{"id":"x","ttl":60000},"priority":3}`)
			},
			when: completes,
		},
		{
			name: "as a child and as a run of a scheduler",
			given: func(f *fixture) {
				f.family("")
				f.owner()
				f.kept("jid", "mine", "pk", f.keys.Job("parent"), "pd", `{"id":"parent"}`, "pdk", f.keys.Job("parent")+":dependencies", "rjk", "daily")
			},
			when: completes,
		},
		{
			name:  "with options that cannot be read",
			given: func(f *fixture) { f.owner(); f.kept("jid", "mine", "opts", `{"attempts":1}`, "data", `7`) },
			when:  completes,
		},
	})
}

func TestAdvanceCreatesTheNextRun(t *testing.T) {
	run := "repeat:daily:1800000000000"
	pending := func(f *fixture) {
		f.do("zadd Q:repeat 1800000000000 daily", "hset Q:repeat:daily name tick every 60000 data {\"a\":1} ic 1 offset 0")
		f.add(given(run))
		f.hset(run, "rjk", "daily")
		f.take("t", 1)
	}
	every := broker.Advance{
		Scheduler: "daily", JobID: run, Every: time.Minute, Options: []byte(`{"repeat":{"every":60000,"count":2}}`),
	}
	advance := func(change func(*broker.Advance)) func(*fixture) any {
		return func(f *fixture) any {
			a := every
			if change != nil {
				change(&a)
			}
			id, err := f.broker().Advance(f.ctx, a)
			return answer(id, err)
		}
	}
	tellAll(t, "advance", []scenario{
		{name: "by its interval", given: pending, when: advance(nil), differs: true}, // the run is not the pending one any more
		{
			name: "late, on the grid of its interval",
			given: func(f *fixture) {
				pending(f)
				f.pass(10*time.Minute + 5*time.Second)
				f.hset("repeat:daily", "offset", 7000)
			},
			when: advance(nil), differs: true,
		},
		{
			name: "by its cron line", given: func(f *fixture) { pending(f); f.do("hdel Q:repeat:daily every data") },
			when: advance(func(a *broker.Advance) { a.Next, a.Every = epoch.Add(time.Hour), 0 }), differs: true,
		},
		{
			name: "due already, with a priority", given: func(f *fixture) { pending(f); f.pass(2 * time.Hour) },
			when: advance(func(a *broker.Advance) { a.Next, a.Priority = epoch.Add(time.Hour), 4 }), differs: true,
		},
		{
			name: "due already, to the front", given: func(f *fixture) { pending(f); f.add(newJob("b")); f.pass(2 * time.Hour) },
			when: advance(func(a *broker.Advance) { a.Next, a.LIFO = epoch.Add(time.Hour), true }), differs: true,
		},
		{
			name: "without options", given: pending,
			when: advance(func(a *broker.Advance) { a.Options = []byte(`{}`) }), differs: true,
		},
		{
			name: "with a counter that is no number", given: func(f *fixture) { pending(f); f.hset("repeat:daily", "ic", "many") },
			when: advance(nil), differs: true,
		},
		{name: "none for a run that is not the pending one", given: func(f *fixture) {
			pending(f)
			f.do("zadd Q:repeat 1800000060000 daily")
		}, when: advance(nil)},
		{name: "none for a scheduler that is gone", given: func(f *fixture) {
			pending(f)
			f.do("del Q:repeat Q:repeat:daily")
		}, when: advance(nil)},
		{name: "none when it is there already", given: func(f *fixture) {
			pending(f)
			f.add(given("repeat:daily:1800000060000"))
		}, when: advance(nil), tellsTwice: true},
		{
			name: "none without an interval", given: func(f *fixture) { pending(f); f.do("hdel Q:repeat:daily every") },
			when: advance(func(a *broker.Advance) { a.Every = 0 }),
		},
	})
}

// A parent may wait in another queue: it is released there, by that queue's own
// settings.
func TestChildrenReleaseParentsInOtherQueues(t *testing.T) {
	flags := map[string]broker.Kind{
		"": broker.Completed, `,"fpof":true`: broker.Failed, `,"cpof":true`: broker.Failed,
		`,"idof":true`: broker.Failed, `,"rdof":true`: broker.Failed,
	}
	for flag, kind := range flags {
		for _, paused := range []bool{false, true} {
			eachFixture(t, func(t *testing.T, f *fixture) {
				home := newSibling(f, "parents")
				home.do("hset Q:meta opts.maxLenEvents 10000 concurrency 5", "set Q:id 1", "zadd Q:waiting-children 1 p",
					"sadd Q:p:dependencies "+f.keys.Job("a"))
				home.hset("p", "name", "work", "data", "{}", "opts", "{}", "timestamp", 1, "delay", 0, "priority", 0)
				if paused {
					home.do("hset Q:meta paused 1")
				}
				f.active("t", "a")
				f.hset("a", "parentKey", home.keys.Job("p"), "parent", `{"id":"p","queueKey":"x"`+flag+`}`)
				f.settle(0, outcome(kind, "a"))

				f.must()
				home.must()
				state, _ := home.stateOf("p")
				if state != jobs.Waiting {
					t.Errorf("flag %q, paused %t: the parent is %s", flag, paused, state)
				}
			})
		}
	}
}
