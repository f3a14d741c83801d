package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
)

// scheduled is the pending run of a scheduler, due in an hour.
const scheduled = "repeat:daily:1800003600000"

// schedule stores a scheduler whose pending run is stored but in no place yet.
func (f *fixture) schedule() {
	f.Helper()
	f.do("zadd Q:repeat 1800003600000 daily", "hset Q:repeat:daily name work every 3600000 ic 1")
	f.hset(scheduled, "name", "work", "data", "{}", "opts", "{}", "timestamp", epoch.UnixMilli(),
		"delay", 0, "priority", 0, "rjk", "daily")
}

func TestRetryRunsAFinishedJobAgain(t *testing.T) {
	ended := func(kind broker.Kind, list ...broker.NewJob) func(*fixture) {
		return func(f *fixture) {
			for _, job := range list {
				f.add(job)
				f.take("t", 1)
				f.settle(0, outcome(kind, job.ID))
				f.pass(time.Second)
			}
		}
	}
	retry := func(id string, from jobs.State, reset broker.Reset, front bool) func(*fixture) any {
		return func(f *fixture) any { return onlyErr(f.broker().Retry(f.ctx, id, from, reset, front)) }
	}
	many := func(from jobs.State, until time.Time, n int) func(*fixture) any {
		return func(f *fixture) any {
			moved, err := f.broker().RetryMany(f.ctx, from, until, n)
			return answer(moved, err)
		}
	}
	tellAll(t, "retry", []scenario{
		{
			name:  "a failed one behind the others",
			given: func(f *fixture) { ended(broker.Failed, newJob("a"))(f); f.add(newJob("b")) },
			when:  retry("a", jobs.Failed, broker.Reset{}, false),
		},
		{
			name:  "a failed one before the others",
			given: func(f *fixture) { ended(broker.Failed, newJob("a"))(f); f.add(newJob("b")) },
			when:  retry("a", jobs.Failed, broker.Reset{}, true),
		},
		{
			name:  "a completed one with new counters",
			given: ended(broker.Completed, newJob("a")),
			when:  retry("a", jobs.Completed, broker.Reset{Made: true, Started: true}, false),
		},
		{
			name:  "with its priority",
			given: ended(broker.Failed, ranked("a", 4)),
			when:  retry("a", jobs.Failed, broker.Reset{}, true),
		},
		{
			name:  "without waking anybody while paused",
			given: func(f *fixture) { ended(broker.Failed, newJob("a"))(f); f.do("hset Q:meta paused 1", "del Q:marker") },
			when:  retry("a", jobs.Failed, broker.Reset{}, false),
		},
		{name: "no such job", when: retry("a", jobs.Failed, broker.Reset{}, false)},
		{
			name: "in another state", given: ended(broker.Failed, newJob("a")),
			when: retry("a", jobs.Completed, broker.Reset{}, false),
		},
		{
			name: "all failed ones, the oldest first",
			given: func(f *fixture) {
				ended(broker.Failed, newJob("a"), ranked("b", 3), newJob("c"))(f)
				f.do("zadd Q:failed 5 ghost")
			},
			when: many(jobs.Failed, time.Time{}, 100), differs: true, // a second call moves the next ones
		},
		{
			name:  "those that failed by a moment",
			given: ended(broker.Failed, newJob("a"), newJob("b"), newJob("c")),
			when:  many(jobs.Failed, epoch.Add(time.Second), 100),
			// a second call finds none and says so
			differs: true,
		},
		{
			name:  "no more than asked for",
			given: ended(broker.Completed, newJob("a"), newJob("b"), newJob("c")),
			when:  many(jobs.Completed, time.Time{}, 2), differs: true,
		},
		{name: "none", when: many(jobs.Failed, time.Time{}, 100), given: func(f *fixture) { f.add(newJob("a")) }},
		{
			name:  "all delayed ones at once",
			given: func(f *fixture) { f.add(late("a", time.Hour), late("b", time.Minute)) },
			when:  many(jobs.Delayed, time.Time{}, 100), differs: true,
		},
	})
}

func TestPromoteAndChange(t *testing.T) {
	promote := func(id string) func(*fixture) any {
		return func(f *fixture) any { return onlyErr(f.broker().Promote(f.ctx, id)) }
	}
	delay := func(id string, d time.Duration) func(*fixture) any {
		return func(f *fixture) any { f.pass(time.Second); return onlyErr(f.broker().ChangeDelay(f.ctx, id, d)) }
	}
	priority := func(id string, n int, front bool) func(*fixture) any {
		return func(f *fixture) any { return onlyErr(f.broker().ChangePriority(f.ctx, id, n, front)) }
	}
	notAJob := func(place string) func(*fixture) {
		return func(f *fixture) {
			f.add(newJob("b"))
			f.do("rpush Q:a x", place)
		}
	}
	tidy := func(when func(*fixture) any) func(*fixture) any {
		return func(f *fixture) any {
			result := when(f)
			f.do("del Q:a")
			return result
		}
	}
	ghosts := invariant.Options{Ghosts: true}
	tellAll(t, "change", []scenario{
		{name: "promote", given: func(f *fixture) { f.add(newJob("b"), late("a", time.Hour)) }, when: promote("a")},
		{
			name: "promote to the priority", given: func(f *fixture) {
				job := late("a", time.Hour)
				job.Priority = 3
				f.add(job)
			},
			when: promote("a"),
		},
		{name: "promote no such job", when: promote("a")},
		{name: "promote a job that is finished", given: func(f *fixture) {
			f.active("t", "a")
			f.settle(0, outcome(broker.Completed, "a"))
			f.hset("a", "delay", 5)
		}, when: promote("a")},
		{name: "promote what is no job", given: notAJob("zadd Q:delayed 5 a"), when: tidy(promote("a")), allow: ghosts},
		{name: "a later delay", given: func(f *fixture) { f.add(late("a", time.Second)) }, when: delay("a", time.Hour)},
		{name: "an earlier delay moves the marker", given: func(f *fixture) {
			f.add(late("a", time.Hour), late("b", time.Minute))
		}, when: delay("a", time.Second)},
		{name: "a delay for a job that waits", given: func(f *fixture) { f.add(newJob("a")) }, when: delay("a", time.Second)},
		{name: "a delay for no job", when: delay("a", time.Second)},
		{name: "a delay for what is no job", given: notAJob("zadd Q:delayed 5 a"), when: tidy(delay("a", time.Second)), allow: ghosts},
		{name: "a priority for a job in the list", given: func(f *fixture) { f.add(newJob("a"), newJob("b")) },
			when: priority("a", 5, false), differs: true}, // the counter moves on
		{name: "a priority at the front", given: func(f *fixture) { f.add(ranked("b", 5), newJob("a")) }, when: priority("a", 5, true)},
		{name: "no priority any more", given: func(f *fixture) { f.add(newJob("b"), ranked("a", 5)) }, when: priority("a", 0, false)},
		{name: "no priority and to the front", given: func(f *fixture) { f.add(newJob("b"), ranked("a", 5)) }, when: priority("a", 0, true)},
		{name: "a priority for a delayed job", given: func(f *fixture) { f.add(late("a", time.Hour)) }, when: priority("a", 5, false)},
		{name: "a priority for no job", when: priority("a", 5, false)},
		{name: "a priority for what is no job", given: notAJob("rpush Q:wait a"), when: tidy(priority("a", 5, false)), allow: ghosts},
		{name: "other data", given: func(f *fixture) { f.add(newJob("a")) },
			when: func(f *fixture) any { return onlyErr(f.broker().UpdateData(f.ctx, "a", []byte(`[1]`))) }},
		{name: "other data for no job", when: func(f *fixture) any { return onlyErr(f.broker().UpdateData(f.ctx, "a", []byte(`[1]`))) }},
	})
}

func TestReports(t *testing.T) {
	progress := func(value string) func(*fixture) any {
		return func(f *fixture) any { return onlyErr(f.broker().Progress(f.ctx, "a", []byte(value))) }
	}
	log := func(line string, keep int) func(*fixture) any {
		return func(f *fixture) any {
			n, err := f.broker().Log(f.ctx, "a", line, keep)
			return answer(n, err)
		}
	}
	one := func(f *fixture) { f.active("t", "a") }
	tellAll(t, "report", []scenario{
		{name: "progress", given: one, when: progress(`{"pct":50}`)},
		{name: "the same progress again is told", given: func(f *fixture) { one(f); progress(`1`)(f) }, when: progress(`1`),
			differs: true}, // a second sending cannot be told from the first call's
		{name: "progress of no job", when: progress(`1`)},
		{name: "a line", given: one, when: log("here", 0)},
		{name: "the same line again", given: func(f *fixture) { one(f); log("here", 0)(f) }, when: log("here", 0),
			differs: true},
		{name: "the newest lines", given: func(f *fixture) { one(f); log("1", 2)(f); log("2", 2)(f) }, when: log("3", 2)},
		{name: "a line of no job", when: log("here", 0)},
	})
}

func TestPauseAndResume(t *testing.T) {
	pause := func(f *fixture) any {
		changed, err := f.broker().Pause(f.ctx)
		return answer(changed, err)
	}
	resume := func(f *fixture) any { return onlyErr(f.broker().Resume(f.ctx)) }
	tellAll(t, "pause", []scenario{
		{name: "a queue that nobody has used", when: pause, differs: true}, // by then it is paused
		{name: "a queue with work", given: func(f *fixture) { f.add(newJob("a"), late("b", time.Hour)) }, when: pause, differs: true},
		{name: "a paused queue", given: func(f *fixture) { f.add(newJob("a")); pause(f) }, when: pause},
		{name: "resume with work", given: func(f *fixture) { f.add(newJob("a")); pause(f) }, when: resume},
		{name: "resume with delayed jobs", given: func(f *fixture) { f.add(late("a", time.Hour)); pause(f) }, when: resume},
		{name: "resume an empty queue", given: func(f *fixture) { pause(f) }, when: resume},
		{name: "resume a queue that is not paused", given: func(f *fixture) { f.add(newJob("a")) }, when: resume},
		{
			name: "resume takes back what BullMQ 5 put aside",
			given: func(f *fixture) {
				f.add(newJob("a"), newJob("b"), newJob("c"), newJob("d"))
				f.do("hset Q:meta paused 1", "del Q:wait Q:marker", "rpush Q:paused b a", "rpush Q:wait d c")
			},
			when: resume,
		},
		{
			name: "resume with nothing but what BullMQ 5 put aside",
			given: func(f *fixture) {
				f.add(newJob("a"), newJob("b"))
				f.do("hset Q:meta paused 1", "del Q:marker", "rename Q:wait Q:paused")
			},
			when: resume,
		},
	})
}

func TestRemove(t *testing.T) {
	remove := func(id string) func(*fixture) any {
		return func(f *fixture) any { return onlyErr(f.broker().Remove(f.ctx, id, false)) }
	}
	tellAll(t, "remove", []scenario{
		{name: "a waiting job", given: func(f *fixture) { f.add(newJob("a"), newJob("b")) }, when: remove("a")},
		{name: "a prioritized job", given: func(f *fixture) { f.add(ranked("a", 1)) }, when: remove("a")},
		{name: "a delayed job with its log", given: func(f *fixture) {
			f.add(late("a", time.Hour))
			f.do("rpush Q:a:logs line")
		}, when: remove("a")},
		{name: "a finished job with its deduplication keys", given: func(f *fixture) {
			f.active("t", "a")
			f.settle(0, outcome(broker.Failed, "a"))
			f.hset("a", "deid", "x")
			f.do("set Q:de:x a px 60000", "hset Q:dn:x name n")
		}, when: remove("a")},
		{name: "not another's deduplication key", given: func(f *fixture) {
			f.add(newJob("a"), newJob("b"))
			f.hset("a", "deid", "x")
			f.do("set Q:de:x b")
		}, when: remove("a")},
		{name: "not a running job", given: func(f *fixture) { f.active("t", "a") }, when: remove("a")},
		{name: "an active job of a dead worker, whose slot has a marker then", given: func(f *fixture) {
			f.active("t", "a")
			f.add(newJob("b"))
			f.do("hset Q:meta concurrency 1", "del Q:marker Q:a:lock")
		}, when: remove("a")},
		{name: "not the pending run of a scheduler", given: func(f *fixture) {
			f.add(newJob("a"))
			f.schedule()
			f.do("lpush Q:wait " + scheduled)
		}, when: remove(scheduled)},
		{name: "an earlier run of a scheduler", given: func(f *fixture) {
			f.add(newJob("a"))
			f.schedule()
			f.do("lpush Q:wait "+scheduled, "zadd Q:repeat 1800007200000 daily")
		}, when: remove(scheduled)},
		{name: "an id with colons", given: func(f *fixture) { f.add(given("a:b:c"), newJob("c")) }, when: remove("a:b:c")},
		{name: "what is no job", given: func(f *fixture) { f.add(newJob("b")); f.do("rpush Q:a x", "rpush Q:wait a") }, when: remove("a")},
		{name: "no such job", given: func(f *fixture) { f.add(newJob("b")) }, when: remove("a"),
			differs: true}, // a job that is gone may be one that the first sending removed
	})
}

func TestDrainAndClean(t *testing.T) {
	drain := func(delayed bool) func(*fixture) any {
		return func(f *fixture) any {
			n, err := f.broker().Drain(f.ctx, delayed)
			return answer(n, err)
		}
	}
	clean := func(state jobs.State, limit int) func(*fixture) any {
		return func(f *fixture) any {
			ids, err := f.broker().Clean(f.ctx, state, epoch.Add(time.Second), limit)
			return answer(fmt.Sprint(ids), err)
		}
	}
	lot := func(f *fixture) {
		f.add(newJob("a"), newJob("b"), ranked("c", 1), ranked("d", 2), late("e", time.Hour))
	}
	finished := func(kind broker.Kind) func(*fixture) {
		return func(f *fixture) {
			for _, id := range []string{"a", "b", "c"} {
				f.active("t", id)
				f.settle(0, outcome(kind, id))
				f.pass(time.Second)
			}
		}
	}
	old := func(f *fixture) {
		f.add(newJob("a"), newJob("b"))
		f.pass(time.Minute)
		f.add(newJob("young"))
	}
	tellAll(t, "drain", []scenario{
		{name: "an empty queue", when: drain(true)},
		{name: "all but delayed jobs", given: lot, when: drain(false), differs: true}, // the second call removes none
		{name: "delayed jobs too", given: lot, when: drain(true), differs: true},
		{name: "what BullMQ 5 put aside", given: func(f *fixture) { lot(f); f.do("rename Q:wait Q:paused") }, when: drain(false), differs: true},
		{name: "not the pending run of a scheduler, at the left end", given: func(f *fixture) {
			lot(f)
			f.schedule()
			f.do("lpush Q:wait " + scheduled)
		}, when: drain(true), differs: true},
		{name: "not the pending run of a scheduler, at the right end", given: func(f *fixture) {
			lot(f)
			f.schedule()
			f.do("rpush Q:wait " + scheduled)
		}, when: drain(true), differs: true},
		{name: "not the pending run of a scheduler, delayed", given: func(f *fixture) {
			lot(f)
			f.schedule()
			f.do("zadd Q:delayed 7372814745600000 " + scheduled)
		}, when: drain(true), differs: true},
		{name: "with its deduplication key", given: func(f *fixture) {
			lot(f)
			f.hset("a", "deid", "x")
			f.do("set Q:de:x a px 60000")
		}, when: drain(false), differs: true},
	})
	tellAll(t, "clean", []scenario{
		{name: "nothing", when: clean(jobs.Completed, 0), given: func(f *fixture) { f.add(newJob("a")) }, tellsTwice: true},
		{name: "completed by a moment", given: finished(broker.Completed), when: clean(jobs.Completed, 0), differs: true},
		{name: "failed by a moment, no more than asked for", given: finished(broker.Failed), when: clean(jobs.Failed, 1), differs: true},
		{name: "waiting", given: old, when: clean(jobs.Waiting, 0), differs: true},
		{name: "waiting, not pending runs at both ends", given: func(f *fixture) {
			old(f)
			f.schedule()
			f.do("rpush Q:wait "+scheduled, "lpush Q:wait repeat:weekly:5", "zadd Q:repeat 5 weekly",
				"hset Q:repeat:weekly name work")
			f.hset("repeat:weekly:5", "name", "work", "data", "{}", "opts", "{}", "timestamp", 5, "delay", 0, "priority", 0)
		}, when: clean(jobs.Waiting, 0), differs: true},
		{name: "prioritized", given: func(f *fixture) {
			f.add(ranked("a", 1), ranked("b", 9))
			f.pass(time.Minute)
			f.add(ranked("c", 5))
		}, when: clean(jobs.Prioritized, 0), differs: true},
		{name: "delayed", given: func(f *fixture) {
			f.add(late("a", time.Hour), late("b", 2*time.Hour))
			f.pass(time.Minute)
			f.add(late("c", time.Minute))
		}, when: clean(jobs.Delayed, 0), differs: true},
		{name: "active without a lock, whose slot has a marker then", given: func(f *fixture) {
			f.active("t", "a", "b")
			f.add(newJob("c"))
			f.do("hset Q:meta concurrency 2", "del Q:marker Q:a:lock")
		}, when: clean(jobs.Active, 0), differs: true},
		{name: "ghosts", given: func(f *fixture) { f.add(newJob("a")); f.do("zadd Q:failed 5 ghost") }, when: clean(jobs.Failed, 0), differs: true},
		{name: "a state that cannot be cleaned", when: clean(jobs.WaitingChildren, 0), differs: true},
	})
}

func TestObliterate(t *testing.T) {
	obliterate := func(force bool) func(*fixture) any {
		return func(f *fixture) any { return onlyErr(f.broker().Obliterate(f.ctx, force)) }
	}
	everything := func(f *fixture) {
		f.active("t", "ok", "bad", "busy")
		f.settle(0, outcome(broker.Completed, "ok"), outcome(broker.Failed, "bad"))
		f.family("", "child")
		f.add(newJob("a"), ranked("b", 2), late("c", time.Hour))
		f.hset("a", "deid", "x")
		f.schedule()
		f.do("set Q:de:x a", "hset Q:dn:x name n", "zadd Q:delayed 7372814745600000 "+scheduled,
			"set Q:limiter 1 px 60000", "sadd Q:stalled busy", "set Q:stalled-check 1 px 60000", "rpush Q:a:logs l",
			"hset Q:metrics:completed count 1", "rpush Q:metrics:completed:data 1")
	}
	paused := func(f *fixture) {
		everything(f)
		f.do("hset Q:meta paused 1", "del Q:marker")
	}
	tellAll(t, "obliterate", []scenario{
		{name: "not a queue that runs", given: everything, when: obliterate(true)},
		{name: "not a queue with active jobs", given: paused, when: obliterate(false)},
		{name: "everything by force", given: paused, when: obliterate(true)},
		{name: "a queue that does not exist", when: obliterate(false)},
	})
}

func TestObliterateLetsParentsElsewhereGo(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		parent := newSibling(f, "parents")
		parent.hset("p", "name", "work", "data", "{}", "opts", "{}", "timestamp", 1, "delay", 0, "priority", 0)
		parent.do("zadd Q:waiting-children 1 p", "hset Q:meta opts.maxLenEvents 10000", "set Q:id 1",
			"sadd Q:p:dependencies "+f.keys.Job("a"))
		f.add(newJob("a"))
		f.hset("a", "parentKey", parent.keys.Job("p"))
		f.do("hset Q:meta paused 1", "del Q:marker")
		if err := f.broker().Obliterate(f.ctx, false); err != nil {
			t.Fatal(err)
		}
		invariant.Must(t, f.client, f.keys, invariant.Options{})
		invariant.Must(t, f.client, parent.keys, invariant.Options{})
		if ids := f.client.LRange(f.ctx, parent.keys.Wait(), 0, -1).Val(); len(ids) != 1 {
			t.Errorf("waiting in the parent's queue: %v", ids)
		}
	})
}
