package broker_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
)

func kept(o broker.Outcome, keep jobs.Retention) broker.Outcome {
	o.Keep = &keep
	return o
}

func after(o broker.Outcome, delay time.Duration) broker.Outcome {
	o.Delay = delay
	return o
}

func limited(attempts int, o broker.Outcome) broker.Outcome {
	o.MaxAttempts = attempts
	return o
}

func by(token string, o broker.Outcome) broker.Outcome {
	o.Token = token
	return o
}

func TestSettleEndsAttempts(t *testing.T) {
	one := func(f *fixture) { f.active("t", "a") }
	two := func(f *fixture) { f.active("t", "a", "b") }
	tellAll(t, "settle-end", []scenario{
		{
			name: "completed", given: one,
			when: func(f *fixture) any { f.pass(time.Second); return f.settle(0, outcome(broker.Completed, "a")) },
		},
		{
			name: "completed, nothing kept", given: one,
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Completed, "a"), jobs.Retention{None: true}))
			},
		},
		{
			name: "failed with no attempt left", given: one,
			when: func(f *fixture) any { return f.settle(0, limited(1, outcome(broker.Failed, "a"))) },
		},
		{
			name: "failed for good with attempts left", given: one,
			when: func(f *fixture) any { return f.settle(0, outcome(broker.Failed, "a")) },
		},
		{
			name: "failed, nothing kept", given: one,
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Failed, "a"), jobs.Retention{None: true}))
			},
		},
		{
			name: "failed clears the deferred failure",
			given: func(f *fixture) {
				f.add(newJob("a"))
				f.hset("a", "defa", "stalled too often")
				f.take("t", 1)
			},
			when: func(f *fixture) any { return f.settle(0, outcome(broker.Failed, "a")) },
		},
		{
			name:  "retry goes behind all others",
			given: func(f *fixture) { one(f); f.add(newJob("b"), newJob("c")) },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.Retry, "a")) },
		},
		{
			name:  "retry first goes before all others",
			given: func(f *fixture) { one(f); f.add(newJob("b"), newJob("c")) },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.RetryFirst, "a")) },
		},
		{
			name: "retry keeps the priority",
			given: func(f *fixture) {
				f.add(ranked("a", 5))
				f.take("t", 1)
				f.add(ranked("b", 5), ranked("c", 6))
			},
			when: func(f *fixture) any { return f.settle(0, outcome(broker.Retry, "a")) },
		},
		{
			name: "backoff", given: one,
			when: func(f *fixture) any {
				f.pass(time.Second)
				return f.settle(0, after(outcome(broker.Backoff, "a"), 500*time.Millisecond))
			},
		},
		{
			name: "backoff with nothing else to do tells no drained queue", given: one,
			when: func(f *fixture) any {
				return f.settle(1, after(outcome(broker.Backoff, "a"), 500*time.Millisecond))
			},
		},
		{
			name: "snooze counts no attempt", given: one,
			when: func(f *fixture) any { return f.settle(0, after(outcome(broker.Snooze, "a"), time.Minute)) },
		},
		{
			name:  "release goes to the head of the line and counts no attempt",
			given: func(f *fixture) { one(f); f.add(newJob("b")) },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.Release, "a")) },
		},
		{
			name: "release goes to the head of its priority",
			given: func(f *fixture) {
				f.add(ranked("a", 5), ranked("b", 5), ranked("c", 4))
				f.take("t1", 1)
				f.take("t", 1)
			},
			when: func(f *fixture) any { return f.settle(0, outcome(broker.Release, "a")) },
		},
		{
			name: "no such job", given: one,
			when:    func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "x")) },
			differs: true, // a job that is gone may be one that the first sending removed
		},
		{
			name: "a job that was removed while it ran leaves the active list", given: func(f *fixture) { two(f); f.do("del Q:a") },
			when:    func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "a"), outcome(broker.Failed, "b")) },
			differs: true,
		},
		{
			name: "a job that became something else leaves the active list", given: func(f *fixture) { two(f); f.do("del Q:a", "rpush Q:a x") },
			when: func(f *fixture) any {
				result := f.settle(0, outcome(broker.Completed, "a"))
				f.do("del Q:a")
				return result
			},
			differs: true,
		},
		{
			name: "a lock that ran out", given: func(f *fixture) { one(f); f.do("del Q:a:lock") },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "a")) },
			allow: invariant.Options{LostLocks: true},
		},
		{
			name: "snooze with a lock that ran out", given: func(f *fixture) { one(f); f.do("del Q:a:lock") },
			when:  func(f *fixture) any { return f.settle(0, after(outcome(broker.Snooze, "a"), time.Second)) },
			allow: invariant.Options{LostLocks: true},
		},
		{
			name: "another's lock", given: func(f *fixture) { one(f); f.do("set Q:a:lock other px 60000") },
			when: func(f *fixture) any {
				return f.settle(0, outcome(broker.Completed, "a"), outcome(broker.Backoff, "a"))
			},
		},
		{
			name: "not active", given: func(f *fixture) { f.add(newJob("a")); f.do("set Q:a:lock t px 60000") },
			when: func(f *fixture) any {
				result := f.settle(0, outcome(broker.Completed, "a"))
				f.do("del Q:a:lock")
				return result
			},
		},
		{
			name: "one refusal does not touch the others", given: two,
			when: func(f *fixture) any {
				return f.settle(0, by("wrong", outcome(broker.Completed, "a")), outcome(broker.Completed, "b"))
			},
		},
		{
			name: "the same outcome twice in one call", given: one,
			when: func(f *fixture) any {
				return f.settle(0, outcome(broker.Completed, "a"), outcome(broker.Completed, "a"))
			},
			differs: true, // both were recorded, says the second sending
		},
		{
			name: "many at once, under names that a script might use itself",
			given: func(f *fixture) {
				f.active("t", "order", "changed", "a", "b", "c", "n", "stays")
			},
			when: func(f *fixture) any {
				return f.settle(0, outcome(broker.Completed, "order"), outcome(broker.Failed, "changed"),
					outcome(broker.Retry, "a"), after(outcome(broker.Backoff, "b"), time.Second),
					after(outcome(broker.Snooze, "c"), time.Second), outcome(broker.Release, "n"))
			},
		},
		{
			name: "many at once, one of them twice in the active list",
			given: func(f *fixture) {
				f.active("t", "a", "b", "c", "d")
				f.do("lpush Q:active a")
			},
			when: func(f *fixture) any {
				result := f.settle(0, outcome(broker.Completed, "b"), outcome(broker.Completed, "c"),
					outcome(broker.Completed, "d"), after(outcome(broker.Snooze, "a"), time.Second))
				f.do("lrem Q:active 0 a")
				return result
			},
			differs: true, // one that is active twice can only be ended twice
		},
		{
			name:  "an end ends the suspicion of stalling",
			given: func(f *fixture) { one(f); f.do("sadd Q:stalled a") },
			when:  func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "a")) },
		},
	})
}

func TestSettleTakesJobs(t *testing.T) {
	takes := func(n int) func(*fixture) any { return func(f *fixture) any { return f.settle(n) } }
	tellAll(t, "settle-take", []scenario{
		{name: "nothing from an empty queue", when: takes(3)},
		{
			name:  "the wait list from the right, then the prioritized from the lowest",
			given: func(f *fixture) { f.add(ranked("c", 2), ranked("d", 1), newJob("a"), newJob("b"), first("z")) },
			when:  takes(4),
		},
		{
			name:    "all there is",
			given:   func(f *fixture) { f.add(ranked("c", 2), newJob("a")) },
			when:    takes(9),
			differs: true, // the second sending looks again, and finds the set empty
		},
		{
			name:  "under no name",
			given: func(f *fixture) { f.add(newJob("a")) },
			when: func(f *fixture) any {
				return f.settleBy(broker.Fetch{Token: "t", LockFor: lease, Want: 1})
			},
		},
		{
			name: "nothing while paused, but due jobs are promoted",
			given: func(f *fixture) {
				f.add(newJob("a"), late("b", time.Second))
				f.do("hset Q:meta paused 1", "del Q:marker")
				f.pass(time.Second)
			},
			when: takes(3),
		},
		{
			name: "due jobs in the order in which they are due, and what is left has a marker",
			given: func(f *fixture) {
				prioritized := late("d", time.Second)
				prioritized.Priority = 9
				f.add(late("a", 2*time.Second), late("b", time.Second), late("c", time.Second), prioritized, late("e", time.Hour))
				f.pass(2 * time.Second)
			},
			when: takes(2),
		},
		{
			name: "no more than the queue's concurrency",
			given: func(f *fixture) {
				f.add(newJob("a"), newJob("b"), newJob("c"))
				f.do("hset Q:meta concurrency 2")
			},
			when: takes(3),
		},
		{
			name: "nothing when the queue's slots are taken",
			given: func(f *fixture) {
				f.active("t", "a")
				f.add(newJob("b"))
				f.do("hset Q:meta concurrency 1", "del Q:marker")
			},
			when: takes(3),
		},
		{
			name: "a slot that this call frees",
			given: func(f *fixture) {
				f.active("t", "a")
				f.add(newJob("b"), newJob("c"))
				f.do("hset Q:meta concurrency 1", "del Q:marker")
			},
			when: func(f *fixture) any { return f.settle(3, outcome(broker.Completed, "a")) },
		},
		{
			name: "a slot that this call frees and does not use has a marker",
			given: func(f *fixture) {
				f.active("t", "a")
				f.add(newJob("b"))
				f.do("hset Q:meta concurrency 1", "del Q:marker")
			},
			when: func(f *fixture) any { return f.settle(0, outcome(broker.Completed, "a")) },
		},
		{
			name:  "no more than the rate limit",
			given: func(f *fixture) { f.add(newJob("a"), newJob("b"), newJob("c")) },
			when: func(f *fixture) any {
				by := fetch("t", 3)
				by.Limit = jobs.RateLimit{Max: 2, Duration: time.Minute}
				return f.settleBy(by)
			},
			// the retaken jobs are counted, and so the second sending meets the limit
			differs: true,
		},
		{
			name: "nothing when the rate limit is reached",
			given: func(f *fixture) {
				f.add(newJob("a"))
				f.do("set Q:limiter 2 px 60000", "hset Q:meta max 2 duration 60000", "del Q:marker")
			},
			when:  takes(1),
			allow: invariant.Options{Limited: true},
		},
		{
			name: "one for each span of time where the limit is below one",
			given: func(f *fixture) {
				f.add(newJob("a"), newJob("b"))
				f.do("hset Q:meta max 0 duration 60000")
			},
			when:    takes(2),
			differs: true, // the retaken job is counted, and so the second sending meets the limit
			allow:   invariant.Options{Limited: true},
		},
		{
			name: "the queue's maximum wins over the worker's, the worker's duration over the queue's",
			given: func(f *fixture) {
				f.add(newJob("a"), newJob("b"))
				f.do("hset Q:meta max 1 duration 10")
			},
			when: func(f *fixture) any {
				by := fetch("t", 1)
				by.Limit = jobs.RateLimit{Max: 9, Duration: time.Minute}
				return f.settleBy(by)
			},
		},
		{
			name: "a job that is to fail anyway uses nothing of the rate limit",
			given: func(f *fixture) {
				f.add(newJob("a"))
				f.hset("a", "defa", "stalled too often")
			},
			when: func(f *fixture) any {
				by := fetch("t", 1)
				by.Limit = jobs.RateLimit{Max: 1, Duration: time.Minute}
				return f.settleBy(by)
			},
		},
		{
			name: "a limit without an end is none",
			given: func(f *fixture) {
				f.add(newJob("a"))
				f.do("set Q:limiter 5", "hset Q:meta max 1 duration 60000")
			},
			when: takes(1),
		},
		{
			name: "ghosts are dropped",
			given: func(f *fixture) {
				f.add(newJob("a"), ranked("b", 1), late("c", time.Second))
				f.do("rpush Q:wait ghost 0:5", "lpush Q:wait ghost", "zadd Q:prioritized 1 ghost", "zadd Q:delayed 5 ghost2")
				f.pass(time.Second)
			},
			when:    takes(9),
			differs: true, // the second sending looks again for what the first did not find
		},
		{
			name: "jobs behind ghosts have a marker",
			given: func(f *fixture) {
				f.add(newJob("a"))
				f.do("rpush Q:wait ghost ghost", "del Q:marker")
			},
			when:    takes(2),
			differs: true,
		},
		{
			name: "counters that are no numbers fail the job",
			given: func(f *fixture) {
				f.add(newJob("a"), newJob("b"))
				f.hset("a", "ats", "many", "deid", "x", "defa", "why")
				f.do("set Q:de:x a")
			},
			when: takes(2),
		},
		{
			name: "the end of a corrupt child is told to its parent",
			given: func(f *fixture) {
				f.family(`"fpof":true`, "child")
				f.hset("child", "atm", "{}")
			},
			when:    takes(3),
			differs: true, // the second sending takes the parent
		},
		{
			name:  "no job when none is wanted",
			given: func(f *fixture) { f.add(newJob("a")); f.do("del Q:marker") },
			when:  takes(0),
		},
	})
}

func TestSettleTellsADrainedQueue(t *testing.T) {
	done := func(want int) func(*fixture) any {
		return func(f *fixture) any { return f.settle(want, outcome(broker.Completed, "a")) }
	}
	tellAll(t, "settle-drained", []scenario{
		{name: "last job, next one wanted", given: func(f *fixture) { f.active("t", "a") }, when: done(1)},
		{name: "last job, no next one wanted", given: func(f *fixture) { f.active("t", "a") }, when: done(0)},
		{
			name:  "not with another active",
			given: func(f *fixture) { f.active("t", "a", "b") }, when: done(1),
		},
		{
			name:  "not with another waiting",
			given: func(f *fixture) { f.active("t", "a"); f.add(ranked("b", 1)) }, when: done(0),
		},
		{
			name:  "not with a delayed one when the next is wanted",
			given: func(f *fixture) { f.active("t", "a"); f.add(late("b", time.Hour)) }, when: done(1),
		},
		{
			name:  "with a delayed one when no next is wanted",
			given: func(f *fixture) { f.active("t", "a"); f.add(late("b", time.Hour)) }, when: done(0),
		},
		{
			name:  "not with one that this call put off",
			given: func(f *fixture) { f.active("t", "a", "b") },
			when: func(f *fixture) any {
				return f.settle(1, outcome(broker.Completed, "a"), after(outcome(broker.Backoff, "b"), time.Second))
			},
		},
		{
			name:  "not while paused when the next is wanted",
			given: func(f *fixture) { f.active("t", "a"); f.do("hset Q:meta paused 1") }, when: done(1),
		},
	})
}

func TestSettleKeepsFinishedJobs(t *testing.T) {
	finished := func(f *fixture, n int) {
		for _, id := range []string{"a", "b", "c", "d", "e"}[:n] {
			f.active("t", id)
			f.settle(0, outcome(broker.Completed, id))
			f.pass(time.Second)
		}
	}
	tellAll(t, "settle-keep", []scenario{
		{
			name:  "the newest by count",
			given: func(f *fixture) { finished(f, 4); f.active("t", "x") },
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Completed, "x"), jobs.Retention{Count: 2}))
			},
		},
		{
			name:  "the younger by age",
			given: func(f *fixture) { finished(f, 4); f.active("t", "x") },
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Completed, "x"), jobs.Retention{Age: 2 * time.Second}))
			},
		},
		{
			name:  "by age no more at once than the limit",
			given: func(f *fixture) { finished(f, 4); f.active("t", "x") },
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Completed, "x"), jobs.Retention{Age: time.Second, Limit: 1}))
			},
			differs: true, // the outcome is recorded already and evicts no more
		},
		{
			name:  "by each job's own policy",
			given: func(f *fixture) { finished(f, 4); f.active("t", "x", "y", "z") },
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Completed, "x"), jobs.Retention{Count: 3}),
					kept(outcome(broker.Failed, "y"), jobs.Retention{None: true}), outcome(broker.Completed, "z"))
			},
		},
		{
			name:  "a job that keeps all removes none",
			given: func(f *fixture) { finished(f, 3); f.active("t", "x") },
			when:  func(f *fixture) any { return f.settle(0, kept(outcome(broker.Completed, "x"), jobs.Retention{})) },
		},
		{
			name: "an evicted failed child lets its parent go",
			given: func(f *fixture) {
				f.family("", "child")
				f.take("t", 1)
				f.settle(0, outcome(broker.Failed, "child"))
				f.pass(time.Second)
				f.active("t", "x")
			},
			when: func(f *fixture) any {
				return f.settle(0, kept(outcome(broker.Failed, "x"), jobs.Retention{Count: 1}))
			},
		},
	})
}

func TestSettleCountsMetrics(t *testing.T) {
	by := func(points int) broker.Fetch {
		f := fetch("t2", 0)
		f.MetricAge = points
		return f
	}
	tellAll(t, "settle-metrics", []scenario{
		{
			name:  "the first jobs",
			given: func(f *fixture) { f.active("t", "a", "b", "c") },
			when: func(f *fixture) any {
				return f.settleBy(by(60), outcome(broker.Completed, "a"), outcome(broker.Completed, "b"), outcome(broker.Failed, "c"))
			},
		},
		{
			name: "a later minute closes those before",
			given: func(f *fixture) {
				f.active("t", "a", "b", "c", "d")
				f.settleBy(by(60), outcome(broker.Completed, "a"), outcome(broker.Completed, "b"))
				f.pass(3 * time.Minute)
			},
			when: func(f *fixture) any {
				return f.settleBy(by(60), outcome(broker.Completed, "c"), outcome(broker.Completed, "d"))
			},
		},
		{
			name: "no more points than asked for",
			given: func(f *fixture) {
				f.active("t", "a", "b")
				f.settleBy(by(3), outcome(broker.Completed, "a"))
				f.pass(time.Hour)
			},
			when: func(f *fixture) any { return f.settleBy(by(3), outcome(broker.Completed, "b")) },
		},
		{
			name: "a counter that is no number counts no more",
			given: func(f *fixture) {
				f.active("t", "a")
				f.do("hset Q:metrics:completed count many")
			},
			when: func(f *fixture) any { return f.settleBy(by(3), outcome(broker.Completed, "a")) },
		},
	})
}
