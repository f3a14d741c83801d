package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// suspect is a job that was taken back from two dead workers.
func suspect(id string) *jobs.Job {
	j := job(id)
	j.StalledCount = suspicion
	return j
}

func TestASuspectRunsAloneInItsProcess(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		gate := NewGate()
		var running atomic.Int64
		var mu sync.Mutex // guards company
		company := map[string]int64{}
		handle := func(ctx context.Context, task *Task) (any, error) {
			running.Add(1)
			defer running.Add(-1)
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			company[task.ID] = max(company[task.ID], running.Load())
			return nil, nil
		}
		one := s.start(Options{Concurrency: 5, Alone: gate}, handle)
		two := s.start(Options{Concurrency: 5, Alone: gate}, handle)
		s.redis.add(jobList(30)...)
		s.redis.add(suspect("poison"), suspect("innocent"))
		s.redis.add(jobList(60)[30:]...)
		time.Sleep(time.Minute)
		s.end(one)
		s.end(two)
		if company["poison"] != 1 || company["innocent"] != 1 {
			t.Errorf("suspects ran with %d and %d jobs under way", company["poison"], company["innocent"])
		}
		if most := company["j005"]; most < 2 {
			t.Errorf("others ran with %d jobs under way: the gate lets nobody run together", most)
		}
		if n := len(s.log.attempts); n != 62 {
			t.Errorf("%d of 62 jobs ended", n)
		}
		if len(s.redis.deaths) != 0 {
			t.Errorf("lone starts that ended well are remembered: %v", s.redis.deaths)
		}
	})
}

func TestALoneStartIsForgottenHoweverTheAttemptEnds(t *testing.T) {
	ends := map[string]Handler{
		"done":      func(context.Context, *Task) (any, error) { return nil, nil },
		"failed":    func(context.Context, *Task) (any, error) { return nil, errors.New("no") },
		"panicked":  func(context.Context, *Task) (any, error) { panic("no") },
		"cancelled": func(ctx context.Context, _ *Task) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
		"deaf":      func(context.Context, *Task) (any, error) { time.Sleep(time.Hour); return nil, nil },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				s.redis.add(suspect("a"))
				p := s.start(Options{}, end)
				time.Sleep(100 * time.Millisecond)
				_ = p.WaitForCompletion(time.Second) // cancels the one that waits for it
				if deaths := locked(s.redis, func() []string { return slices.Clone(s.redis.deaths["a"]) }); len(deaths) != 0 {
					t.Errorf("remembered: %v", deaths)
				}
				time.Sleep(time.Hour) // the deaf one returns
			})
		})
	}
}

// A death is a lone start that nobody acquitted.
func TestThreeLoneDeathsQuarantineAJob(t *testing.T) {
	for deaths := range 5 {
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				for i := range deaths {
					if _, _, err := s.redis.Isolate(t.Context(), "a", fmt.Sprint("life ", i)); err != nil {
						t.Fatal(err)
					}
				}
				ran := false
				s.redis.add(suspect("a"))
				p := s.start(Options{}, func(context.Context, *Task) (any, error) { ran = true; return nil, nil })
				s.calm()
				s.end(p)
				want := broker.Completed
				if deaths >= 3 {
					want = broker.Failed
				}
				if diff := cmp.Diff([]broker.Kind{want}, s.redis.kinds("a")); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				if ran != (deaths < 3) {
					t.Errorf("ran: %t", ran)
				}
				if reason := s.redis.results["a"]; deaths >= 3 && !strings.HasPrefix(reason, "quarantined: ") {
					t.Errorf("reason %q", reason)
				}
				if len(s.redis.deaths["a"]) != 0 {
					t.Error("deaths are remembered after the end; a retry by hand would never run")
				}
			})
		})
	}
}

func TestWithAStalledLimitNobodyIsSuspected(t *testing.T) {
	bubble(t, func(t *testing.T, s *story) {
		s.redis.add(suspect("a"))
		p := s.start(Options{StalledLimit: 3}, func(context.Context, *Task) (any, error) {
			if n := locked(s.redis, func() int { return len(s.redis.deaths["a"]) }); n != 0 {
				return nil, errors.New("isolated")
			}
			return nil, nil
		})
		s.calm()
		s.end(p)
		if diff := cmp.Diff([]string{"a completed"}, s.log.statuses()); diff != "" {
			t.Error(diff)
		}
	})
}

// Waiting for one's turn is no reason to miss a shutdown or a lost lock.
func TestWhoWaitsAtTheGateHearsOfItsEnd(t *testing.T) {
	t.Run("shutdown", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *story) {
			gate := NewGate()
			leave, err := gate.together(t.Context()) // another pool's long job
			if err != nil {
				t.Fatal(err)
			}
			defer leave()
			s.redis.add(suspect("a"))
			p := s.start(Options{Alone: gate}, work(0))
			s.calm()
			if err := p.WaitForCompletion(time.Second); !errors.Is(err, ErrDeadline) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff([]string{"a released"}, s.log.statuses()); diff != "" {
				t.Error(diff)
			}
			synctest.Wait()
			if n := p.running.len(); n != 0 {
				t.Errorf("%d attempts still wait", n)
			}
			next, err := gate.together(t.Context()) // and who comes later is not held up
			if err != nil {
				t.Fatal(err)
			}
			next()
		})
	})
	t.Run("lost lock", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *story) {
			gate := NewGate()
			leave, err := gate.alone(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.redis.add(job("a"))
			p := s.start(Options{Alone: gate}, work(0))
			s.calm()
			s.redis.steal("a")
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if diff := cmp.Diff([]string{"a lost"}, s.log.statuses()); diff != "" {
				t.Error(diff)
			}
			leave()
			s.end(p)
		})
	})
}

func TestWhereWorkersDieOfOtherThingsAJobMayLoseMore(t *testing.T) {
	for others, want := range map[int]int{0: 3, 2: 3, 3: 4, 5: 6, 9: 10, 500: 10} {
		if got := deathsAllowed(others); got != want {
			t.Errorf("%d other deaths: %d lone ones are allowed, want %d", others, got, want)
		}
	}
}
