package worker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
)

func TestAJobIsTakenTheMomentItIsAdded(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 3}, work(0))
		for i := range 20 {
			time.Sleep(time.Duration(i) * 777 * time.Millisecond)
			id := fmt.Sprintf("j%d", i)
			s.redis.add(job(id))
			time.Sleep(3 * s.redis.latency)
			synctest.Wait()
			if s.redis.count(id) != 1 {
				t.Fatalf("job %s was not done three round trips after it was added", id)
			}
		}
		s.end(p)
	})
}

func TestNeverMoreJobsRunThanSlots(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		var running, most atomic.Int64
		p := s.start(Options{Concurrency: 7}, func(ctx context.Context, task *Task) (any, error) {
			now := running.Add(1)
			defer running.Add(-1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			return work(time.Duration(len(task.ID)*task.AttemptsStarted)*13*time.Millisecond)(ctx, task)
		})
		s.redis.add(jobList(200)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(s.log.statuses()); got != 200 {
			t.Errorf("%d of 200 jobs ended", got)
		}
		if most.Load() != 7 {
			t.Errorf("%d jobs ran at once, wanted 7", most.Load())
		}
		s.end(p)
		if s.redis.most != 1 {
			t.Errorf("%d calls at once, wanted 1", s.redis.most)
		}
	})
}

// From eight slots on, a second call takes the outcomes of half of them while the
// first one is under way. Stopped in the middle of that, the pool waits for both.
func TestTwoCallsShareTheOutcomesOfManySlots(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.latency = 10 * time.Millisecond
		p := s.start(Options{Concurrency: 12}, work(time.Millisecond))
		s.redis.add(jobList(600)...)
		time.Sleep(200 * time.Millisecond)
		most := locked(s.redis, func() any { return s.redis.most })
		s.end(p) // with one more, which gives back the marker
		if most != 2 {
			t.Errorf("%d calls at once, wanted 2", most)
		}
		ended, taken := 0, 0
		for _, c := range s.redis.called() {
			ended, taken = ended+len(c.outcomes), taken+c.taken
		}
		if ended != taken {
			t.Errorf("%d jobs were taken, and %d outcomes sent", taken, ended)
		}
		if got := len(s.log.statuses()); got != ended || got == 0 || got == 600 {
			t.Errorf("%d jobs ended and %d outcomes were sent, of 600: wanted the same, and some left", got, ended)
		}
	})
}

func TestOutcomesOfOneMomentTravelTogether(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 120}, work(time.Second))
		s.redis.add(jobList(120)...)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.end(p)
		var with []int
		for _, c := range s.redis.called() {
			if len(c.outcomes) > 50 || c.want > 50 {
				t.Errorf("a call carried %d outcomes and wanted %d jobs, the most is 50", len(c.outcomes), c.want)
			}
			if len(c.outcomes) > 0 {
				with = append(with, len(c.outcomes))
			}
		}
		// The jobs of the three fetches end apart. Of each, the first to end makes a
		// call at once; the others travel together in the next.
		if len(with) > 8 {
			t.Errorf("120 outcomes travelled in %d calls: %v", len(with), with)
		}
	})
}

func TestAFetchAsksForAsManyJobsAsSlotsAreFree(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 5}, func(ctx context.Context, task *Task) (any, error) {
			if task.ID == "short" {
				return work(time.Second)(ctx, task)
			}
			return work(time.Hour)(ctx, task)
		})
		s.calm()
		s.redis.add(job("a"), job("b"), job("short"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		var wants []int
		for _, c := range s.redis.called() {
			wants = append(wants, c.want)
		}
		// The start finds nothing, at the latest with five slots parked; the marker
		// brings three jobs; their rest of two slots asks no more; the short one's
		// slot and the two others ask together.
		if last := wants[len(wants)-1]; last != 3 {
			t.Errorf("wants %v, the last one should be the 3 free slots", wants)
		}
		p.Stop()
		if err := p.WaitForCompletion(0); err == nil {
			t.Error("jobs of an hour ended at once")
		}
	})
}

func TestTheMarkerTakenWithNoSlotFreeIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 1}, work(time.Hour))
		s.calm() // the listener blocks
		s.redis.add(job("a"))
		time.Sleep(10 * time.Millisecond)
		// The slot is busy, and the listener was told to listen before it was.
		p.exchange.idle <- struct{}{}
		synctest.Wait()
		s.redis.add(job("b"))
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if !s.redis.marked() {
			t.Fatal("job b waits, our listener has taken the marker, and nobody else will hear of it")
		}
		last := s.redis.called()[len(s.redis.called())-1]
		if last.want != 0 || len(last.outcomes) != 0 {
			t.Errorf("the call that gives it back wanted %d jobs and carried %v", last.want, last.outcomes)
		}
		p.WaitForCompletion(0)
	})
}

// The call under way fills the slots that were free when the listener woke.
func TestTheMarkerTakenDuringACallIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 2}, func(ctx context.Context, task *Task) (any, error) {
			if task.ID == "first" {
				return work(time.Second)(ctx, task)
			}
			return work(time.Hour)(ctx, task)
		})
		s.calm()
		s.redis.add(job("first"))
		s.calm() // it runs, and the listener blocks
		locked(s.redis, func() any { s.redis.latency = 10 * time.Millisecond; return nil })
		time.Sleep(905 * time.Millisecond)
		synctest.Wait()
		if locked(s.redis, func() int { return s.redis.inFlight }) != 1 {
			t.Fatal("the end of the first job is not on its way")
		}
		s.redis.add(jobList(10)...)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if n := p.running.len(); n != 2 {
			t.Fatalf("%d jobs run, wanted 2", n)
		}
		if !s.redis.marked() {
			t.Error("eight jobs wait, our listener has taken the marker, and nobody else will hear of them")
		}
		p.WaitForCompletion(0)
	})
}

func TestDelayedJobsRunWhenTheyAreDue(t *testing.T) {
	for _, skew := range []time.Duration{0, time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second} {
		t.Run(fmt.Sprintf("server clock %s ahead", skew), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				s.redis.skew = skew
				var mu sync.Mutex // guards ran
				ran := map[string]time.Duration{}
				begin := time.Now()
				p := s.start(Options{Concurrency: 2}, func(_ context.Context, task *Task) (any, error) {
					mu.Lock()
					defer mu.Unlock()
					ran[task.ID] = time.Since(begin)
					return nil, nil
				})
				s.calm()
				begin = time.Now()
				s.redis.addLate(job("later"), 40*time.Second)
				s.redis.addLate(job("soon"), 1500*time.Millisecond)
				time.Sleep(time.Minute)
				synctest.Wait()
				for id, due := range map[string]time.Duration{"soon": 1500 * time.Millisecond, "later": 40 * time.Second} {
					if late := ran[id] - due; ran[id] == 0 || late < 0 || late > 20*time.Millisecond {
						t.Errorf("job %s ran %s after it was due", id, late)
					}
				}
				s.end(p)
			})
		})
	}
}

// A rate limit ends by itself, and nobody sets a marker then. A delayed job that
// is due in the meantime must not make the pool forget that.
func TestWorkGoesOnWhenARateLimitEnds(t *testing.T) {
	for _, due := range []time.Duration{0, 2 * time.Second, 9 * time.Second, 12 * time.Second} {
		t.Run(fmt.Sprintf("a delayed job due after %s", due), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				s.redis.limited = time.Now().Add(10 * time.Second)
				if due > 0 {
					s.redis.addLate(job("late"), due)
				}
				s.redis.add(job("a"))
				p := s.start(Options{Concurrency: 2}, work(0))
				time.Sleep(9 * time.Second)
				synctest.Wait()
				if n := len(s.redis.called()); n > 8 {
					t.Errorf("%d calls while the limit held", n)
				}
				time.Sleep(time.Second + 20*time.Millisecond)
				synctest.Wait()
				if s.redis.count("a") != 1 {
					t.Fatal("job a still waits after the limit has ended")
				}
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if due > 0 && s.redis.count("late") != 1 {
					t.Error("the delayed job did not run")
				}
				s.end(p)
			})
		})
	}
}

func TestNonsenseFromRedisIsNotRepeatedInALoop(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.refuseBy = fmt.Errorf("WRONGTYPE somebody wrote into the wait list")
		s.redis.add(job("a"))
		p := s.start(Options{Concurrency: 3}, work(0))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(s.redis.called()); n > 15 {
			t.Errorf("%d calls in 10 s", n)
		}
		silence := time.Since(p.LastPulse())
		if silence < 9*time.Second {
			t.Errorf("a pool that hears nothing but nonsense has a pulse from %s ago", silence)
		}
		locked(s.redis, func() any { s.redis.refuseBy = nil; return nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s.redis.count("a") != 1 {
			t.Error("job a still waits after Redis has come to its senses")
		}
		s.end(p)
	})
}

func TestOneBadOutcomeDoesNotCostTheOthersTheirs(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		p := s.start(Options{Concurrency: 5}, work(time.Second))
		s.redis.add(jobList(5)...)
		time.Sleep(500 * time.Millisecond)
		locked(s.redis, func() any { s.redis.bad = map[string]error{"j002": jobs.ErrLockLost}; return nil })
		time.Sleep(time.Second)
		synctest.Wait()
		want := map[string]int{"lost": 1, "completed": 4}
		got := map[string]int{}
		for _, a := range s.log.attempts {
			got[string(a.Status)]++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		s.end(p)
	})
}
