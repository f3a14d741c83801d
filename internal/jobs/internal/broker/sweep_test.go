package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/redistest"
)

// rule is the tests' rhythm: at most every second, at least every ten.
func rule(limit int) broker.SweepRule {
	return broker.SweepRule{Gap: time.Second, Interval: 10 * time.Second, Limit: limit}
}

func (f *fixture) sweep(limit int) any {
	by := rule(limit)
	by.Due = f.sweepDue
	swept, err := f.broker().Sweep(f.ctx, by)
	f.sweepDue = swept.Due
	// A lock's remaining time is the server's to know: shown by whole seconds, up.
	return answer(fmt.Sprintf("next within %s, recovered %v", swept.Next.Round(time.Second), swept.Recovered), err)
}

// die deletes the locks of jobs, as time does when their worker is gone.
func (f *fixture) die(ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.do("del Q:" + id + ":lock")
	}
}

// suspect sweeps twice, so that the locks' absence is known.
func (f *fixture) suspect(limit int) {
	f.sweep(limit)
	f.pass(time.Second)
	f.sweep(limit)
	f.pass(time.Second)
}

func TestSweepGivesBackTheJobsOfDeadWorkers(t *testing.T) {
	lost := invariant.Options{LostLocks: true}
	sweep := func(limit int) func(*fixture) any { return func(f *fixture) any { return f.sweep(limit) } }
	tellAll(t, "sweep", []scenario{
		{name: "nothing when nothing is active", given: func(f *fixture) { f.add(newJob("a")) }, when: sweep(-1)},
		{
			name: "the first sweep marks only", given: func(f *fixture) { f.active("t", "a", "b"); f.die("a") },
			when: sweep(-1), allow: lost, differs: true, // the second sending comes too early and says so
		},
		{
			name: "the second gives back", given: func(f *fixture) {
				f.active("t", "a", "b")
				f.sweep(-1)
				f.pass(time.Second)
				f.die("a")
			},
			when: sweep(-1), differs: true,
		},
		{
			name: "not before the gap is over", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				f.pass(900 * time.Millisecond)
			},
			when: sweep(-1), allow: lost,
		},
		{
			name: "a late one marks only", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				f.pass(21 * time.Second)
			},
			when: sweep(-1), allow: lost, differs: true,
		},
		{
			name: "one that comes later than it was told marks only", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				f.pass(f.sweepDue.Sub(f.now) + 1001*time.Millisecond)
			},
			when: sweep(-1), allow: lost, differs: true,
		},
		{
			name: "one that comes as late as may be gives back", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				f.pass(f.sweepDue.Sub(f.now) + time.Second)
			},
			when: sweep(-1), differs: true,
		},
		{
			name: "the first of a worker gives back what others have marked", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				f.sweepDue = time.Time{}
				f.pass(15 * time.Second)
			},
			when: sweep(-1), differs: true,
		},
		{
			name: "the first after a long time marks only", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				f.do("del tandem:Q:sweep")
				f.pass(time.Hour)
			},
			when: sweep(-1), allow: lost, differs: true,
		},
		{
			name: "a job that was renewed in between stays", given: func(f *fixture) {
				f.active("t", "a")
				f.sweep(-1)
				f.pass(time.Second)
				f.renew(broker.Lease{ID: "a", Token: "t", Started: 1})
				f.die("a")
			},
			when: sweep(-1), allow: lost, differs: true,
		},
		{
			name: "to the head of the line, whatever the priority, with a count", given: func(f *fixture) {
				f.add(ranked("a", 7))
				f.take("t", 1)
				f.add(newJob("b"))
				f.hset("a", "stc", 4)
				f.suspect(-1)
				f.die("a")
			},
			when: sweep(-1), differs: true,
		},
		{
			name: "within the limit", given: func(f *fixture) { f.active("t", "a"); f.suspect(1); f.die("a") },
			when: sweep(1), differs: true,
		},
		{
			name: "beyond the limit the next attempt is to fail", given: func(f *fixture) {
				f.active("t", "a")
				f.hset("a", "stc", 1)
				f.suspect(1)
				f.die("a")
			},
			when: sweep(1), differs: true,
		},
		{
			name: "a scheduler's job never is", given: func(f *fixture) {
				f.active("t", "a", "b")
				f.hset("a", "stc", 1, "rjk", "daily")
				f.hset("b", "stc", 1, "rjk", "gone")
				f.do("zadd Q:repeat 5 daily", "hset Q:repeat:daily name work")
				f.suspect(1)
				f.die("a", "b")
			},
			when: sweep(1), differs: true,
		},
		{
			name: "a count that is no number begins anew", given: func(f *fixture) {
				f.active("t", "a")
				f.hset("a", "stc", "many")
				f.suspect(1)
				f.die("a")
			},
			when: sweep(1), differs: true,
		},
		{
			name: "ghosts and what is no job leave the active list", given: func(f *fixture) {
				f.active("t", "a", "b")
				f.suspect(-1)
				f.die("a", "b")
				f.do("del Q:a Q:b", "rpush Q:b x")
			},
			when: func(f *fixture) any {
				result := f.sweep(-1)
				f.do("del Q:b")
				return result
			},
			differs: true,
		},
		{
			name: "without waking anybody while paused", given: func(f *fixture) {
				f.active("t", "a")
				f.suspect(-1)
				f.die("a")
				f.do("hset Q:meta paused 1", "del Q:marker")
			},
			when: sweep(-1), differs: true,
		},
		{
			name: "a slot that becomes free has a marker", given: func(f *fixture) {
				f.active("t", "a")
				f.do("hset Q:meta concurrency 1", "del Q:marker")
				f.suspect(-1)
				f.die("a")
			},
			when: sweep(-1), differs: true,
		},
	})
}

// With more active jobs than one sweep looks at, each of them still is given back:
// the marks of one part survive the sweeps of the others.
func TestSweepGivesBackEveryOneOfThousands(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		const n = 2_300
		for done := 0; done < n; done += 50 {
			batch := make([]broker.NewJob, 50)
			for i := range batch {
				batch[i] = newJob(fmt.Sprintf("j%d", done+i))
			}
			f.add(batch...)
			settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 50))
			if err != nil || len(settled.Taken) != 50 {
				t.Fatalf("took %d: %v", len(settled.Taken), err)
			}
			for _, taken := range settled.Taken {
				f.die(taken.ID)
			}
		}
		recovered := map[string]bool{}
		for range 12 {
			f.pass(time.Second)
			swept, err := f.broker().Sweep(f.ctx, rule(-1))
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range swept.Recovered {
				if recovered[id] {
					t.Errorf("%s was given back twice", id)
				}
				recovered[id] = true
			}
		}
		if len(recovered) != n {
			t.Errorf("gave back %d of %d jobs", len(recovered), n)
		}
		invariant.Must(t, f.client, f.keys, invariant.Options{})
	})
}

func (f *fixture) renew(leases ...broker.Lease) any {
	results, err := f.broker().Renew(f.ctx, leases, lease)
	return answer(results, err)
}

func TestRenewKeepsLocks(t *testing.T) {
	lost := invariant.Options{LostLocks: true}
	first := broker.Lease{ID: "a", Token: "t", Started: 1}
	tellAll(t, "renew", []scenario{
		{
			name: "of all jobs of a pool, each with its own answer",
			given: func(f *fixture) {
				f.active("t", "a", "b", "c", "d")
				f.do("set Q:b:lock other px 60000", "del Q:c:lock", "lrem Q:active 0 c", "rpush Q:wait c")
			},
			when: func(f *fixture) any {
				return f.renew(first, broker.Lease{ID: "b", Token: "t", Started: 1},
					broker.Lease{ID: "c", Token: "t", Started: 1}, broker.Lease{ID: "d", Token: "t", Started: 1},
					broker.Lease{ID: "gone", Token: "t", Started: 1})
			},
		},
		{
			name:  "and ends the suspicion of stalling",
			given: func(f *fixture) { f.active("t", "a"); f.do("sadd Q:stalled a") },
			when:  func(f *fixture) any { return f.renew(first) },
		},
		{
			name:  "that ran out with nobody else at the job",
			given: func(f *fixture) { f.active("t", "a"); f.die("a") },
			when:  func(f *fixture) any { return f.renew(first) },
		},
		{
			name: "but not when another attempt began since",
			given: func(f *fixture) {
				f.active("t", "a")
				f.die("a")
				f.hset("a", "ats", 2)
			},
			when:  func(f *fixture) any { return f.renew(first) },
			allow: lost,
		},
	})
}

func TestIsolateCountsLoneStartsThatNeverEnded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		b := f.broker()
		for want, token := range []string{"t1", "t2", "t3"} {
			for range 2 { // sent again, it is the same start
				if deaths, _, err := b.Isolate(f.ctx, "a", token); err != nil || deaths != want {
					t.Errorf("start %s: %d deaths, error %v, want %d", token, deaths, err, want)
				}
			}
		}
		if deaths, _, err := b.Isolate(f.ctx, "b", "t1"); err != nil || deaths != 0 {
			t.Errorf("another job: %d deaths, error %v", deaths, err)
		}
		if err := b.Acquit(f.ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if deaths, _, err := b.Isolate(f.ctx, "a", "t4"); err != nil || deaths != 0 {
			t.Errorf("after acquittal: %d deaths, error %v", deaths, err)
		}
		if ttl := f.client.PTTL(f.ctx, f.keys.Private()+"alone:a").Val(); ttl <= 0 {
			t.Errorf("the starts are remembered for ever: PTTL %v", ttl)
		}
	})
}

// Workers that die while they run other jobs show that it is not the suspect that
// kills them.
func TestDeathsWithoutASuspectAreCounted(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		dies := func(worker string, ids ...string) {
			t.Helper()
			for _, id := range ids {
				f.add(newJob(id))
			}
			by := fetch("of "+worker, len(ids))
			by.Worker = worker
			if _, err := f.broker().Settle(f.ctx, nil, by); err != nil {
				t.Fatal(err)
			}
			f.die(ids...)
			for range 2 { // the first sweep marks
				f.pass(time.Second)
				if _, err := f.broker().Sweep(f.ctx, rule(-1)); err != nil {
					t.Fatal(err)
				}
			}
			f.do("del Q:wait")
		}
		dies("one", "a", "b") // with two jobs, and it is one death
		dies("two", "c")
		if _, _, err := f.broker().Isolate(f.ctx, "s", "lone"); err != nil {
			t.Fatal(err)
		}
		dies("three", "s") // the suspect's own
		alone, others, err := f.broker().Isolate(f.ctx, "s", "lone again")
		if err != nil || alone != 1 || others != 2 {
			t.Errorf("alone %d, others %d, error %v, want 1 and 2", alone, others, err)
		}
		if ttl := f.client.PTTL(f.ctx, f.keys.Private()+"deaths").Val(); ttl <= 0 {
			t.Errorf("deaths are remembered for ever: PTTL %v", ttl)
		}
	})
}
