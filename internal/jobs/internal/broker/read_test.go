package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
)

func (f *fixture) must() {
	f.Helper()
	invariant.Must(f, f.client, f.keys, invariant.Options{})
}

func (f *fixture) stateOf(id string) (jobs.State, error) {
	_, state, err := f.broker().Get(f.ctx, id)
	return state, err
}

// oneInEveryState stores a job in each state, under the state's initial.
func (f *fixture) oneInEveryState() {
	f.Helper()
	f.add(newJob("c"), newJob("f"), newJob("a"))
	f.take("t", 3)
	f.settle(0, outcome(broker.Completed, "c"), outcome(broker.Failed, "f"))
	f.family("", "child")
	f.add(newJob("w"), ranked("p", 3), late("d", time.Hour))
}

func TestGetTellsAJobAndItsState(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.oneInEveryState()
		f.do("rpush Q:paused legacy")
		f.hset("legacy", "name", "work")
		f.hset("lost", "name", "work")
		want := map[string]jobs.State{
			"w": jobs.Waiting, "p": jobs.Prioritized, "d": jobs.Delayed, "a": jobs.Active, "c": jobs.Completed,
			"f": jobs.Failed, "parent": jobs.WaitingChildren, "legacy": jobs.Waiting, "lost": jobs.Unknown,
		}
		for id, state := range want {
			job, got, err := f.broker().Get(f.ctx, id)
			if err != nil || got != state || job.ID != id || job.Queue != "q" || job.Name != "work" {
				t.Errorf("%s: %+v, state %s, error %v; want %s", id, job, got, err, state)
			}
		}
		f.do("rpush Q:list x")
		for _, id := range []string{"nobody", "list"} {
			if _, state, err := f.broker().Get(f.ctx, id); !errors.Is(err, jobs.ErrNotFound) || state != jobs.Unknown {
				t.Errorf("%s: state %s, error %v", id, state, err)
			}
		}
		f.hset("w", "data", "{")
		job, state, err := f.broker().Get(f.ctx, "w")
		if err == nil || errors.Is(err, jobs.ErrNotFound) || state != jobs.Waiting || job.Name != "work" {
			t.Errorf("corrupt: %+v, state %s, error %v", job, state, err)
		}
	})
}

// In a line too long to search a job is found by not being anywhere else.
func TestGetInALongLine(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.oneInEveryState()
		fill := "for i = 1, 20 do local ids = {} for j = 1, 1000 do ids[j] = 'x' .. i * 1000 + j end redis.call('RPUSH', KEYS[1], unpack(ids)) end"
		if err := f.client.Eval(f.ctx, fill, []string{f.keys.Wait()}).Err(); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		for id, want := range map[string]jobs.State{
			"w": jobs.Waiting, "p": jobs.Prioritized, "d": jobs.Delayed, "a": jobs.Active, "c": jobs.Completed,
			"f": jobs.Failed, "parent": jobs.WaitingChildren,
		} {
			if state, err := f.stateOf(id); state != want || err != nil {
				t.Errorf("%s is %s, error %v, want %s", id, state, err, want)
			}
		}
	})
}

func TestCountsOfEveryState(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		got, err := f.broker().Counts(f.ctx)
		if diff := cmp.Diff(broker.Counts{}, got); err != nil || diff != "" {
			t.Errorf("an empty queue: error %v (-want +got):\n%s", err, diff)
		}
		f.oneInEveryState()
		f.pass(time.Second)
		f.add(newJob("w2"))
		f.do("hset Q:meta paused 1", "rpush Q:paused x")
		want := broker.Counts{
			Waiting: 4, Prioritized: 1, Active: 1, Delayed: 1, WaitingChildren: 1, Completed: 1, Failed: 1,
			Paused: true, OldestWaiting: epoch,
		}
		got, err = f.broker().Counts(f.ctx)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	})
}

// A job that was put off has not waited meanwhile.
func TestTheTimeInLineBeginsWhenAJobIsDue(t *testing.T) {
	tests := map[string]struct {
		given func(f *fixture)
		want  time.Duration // after the epoch
	}{
		"added": {func(f *fixture) { f.add(newJob("a")) }, 0},
		"delayed": {func(f *fixture) {
			job := late("a", time.Hour)
			job.Options = []byte(`{"attempts":3,"delay":3600000}`)
			f.add(job)
			f.pass(time.Hour)
			f.settle(0)
		}, time.Hour},
		"retried": {func(f *fixture) {
			f.add(newJob("a"))
			f.hset("a", "opts", `{"attempts":3,"backoff":{"type":"exponential","delay":60000}}`)
			f.hset("a", "atm", "2")
			f.hset("a", "processedOn", fmt.Sprint(epoch.Add(time.Minute).UnixMilli()))
		}, 3 * time.Minute},
		"with options that nobody can read": {func(f *fixture) { f.add(newJob("a")); f.hset("a", "opts", "no") }, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			eachFixture(t, func(t *testing.T, f *fixture) {
				tt.given(f)
				got, err := f.broker().Counts(f.ctx)
				if want := epoch.Add(tt.want); err != nil || !got.OldestWaiting.Equal(want) || got.Waiting != 1 {
					t.Errorf("%d wait, since %s, %v; wanted since %s", got.Waiting, got.OldestWaiting.UTC(), err, want.UTC())
				}
			})
		})
	}
}

func TestPagesAreInTheOrderOfRunning(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		for i := range 5 {
			f.add(newJob(fmt.Sprintf("w%d", i)), ranked(fmt.Sprintf("p%d", i), 5-i), late(fmt.Sprintf("d%d", i), time.Duration(9-i)*time.Hour))
			f.do(fmt.Sprintf("zadd Q:completed %d c%d", i, i), fmt.Sprintf("hset Q:c%d name work", i))
		}
		f.do("lset Q:wait -2 ghost", "del Q:w1")
		cases := []struct {
			state         jobs.State
			offset, limit int
			want          string
			more          bool
		}{
			{jobs.Waiting, 0, 3, "[w0 w2]", true},
			{jobs.Waiting, 3, 3, "[w3 w4]", false},
			{jobs.Waiting, 9, 3, "[]", false},
			{jobs.Prioritized, 0, 2, "[p4 p3]", true},
			{jobs.Delayed, 3, 2, "[d1 d0]", false},
			{jobs.Completed, 0, 5, "[c4 c3 c2 c1 c0]", false},
			{jobs.Failed, 0, 5, "[]", false},
		}
		for _, c := range cases {
			page, more, err := f.broker().Page(f.ctx, c.state, c.offset, c.limit)
			ids := []string{}
			for _, job := range page {
				ids = append(ids, job.ID)
			}
			if err != nil || fmt.Sprint(ids) != c.want || more != c.more {
				t.Errorf("%s from %d: %v, more %t, error %v; want %s, more %t", c.state, c.offset, ids, more, err, c.want, c.more)
			}
		}
		if _, _, err := f.broker().Page(f.ctx, "strange", 0, 1); !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("a strange state: error %v", err)
		}
	})
}

func TestLogsByThePage(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		f.add(newJob("a"))
		for i := range 5 {
			if _, err := f.broker().Log(f.ctx, "a", fmt.Sprint(i), 0); err != nil {
				t.Fatal(err)
			}
		}
		lines, total, err := f.broker().Logs(f.ctx, "a", 3, 10)
		if diff := cmp.Diff([]string{"3", "4"}, lines); err != nil || total != 5 || diff != "" {
			t.Errorf("%d lines, error %v (-want +got):\n%s", total, err, diff)
		}
	})
}

func TestWaiterWakesForAMarker(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		waiter := broker.NewWaiter(f.client, f.keys)
		woken, due, err := waiter.Wait(f.ctx, time.Millisecond)
		if woken || !due.IsZero() || err != nil {
			t.Errorf("nothing: woken %t, due %v, error %v", woken, due, err)
		}
		f.add(late("d", time.Hour), newJob("a"))
		woken, due, err = waiter.Wait(f.ctx, time.Minute)
		if !woken || !due.IsZero() || err != nil {
			t.Errorf("work now: woken %t, due %v, error %v", woken, due, err)
		}
		woken, due, err = waiter.Wait(f.ctx, time.Minute)
		if !woken || !due.Equal(epoch.Add(time.Hour)) || err != nil {
			t.Errorf("work later: woken %t, due %v, error %v", woken, due, err)
		}
		f.do("zadd Q:marker 1800000000000.0017 1")
		if _, due, err = waiter.Wait(f.ctx, time.Minute); !due.Equal(epoch) || err != nil {
			t.Errorf("a fraction: due %v, error %v", due, err)
		}
	})
}

func TestStreamTellsWhatHappened(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		stream := broker.NewStream(f.client, f.keys)
		if last, err := stream.Last(f.ctx); last != "0-0" || err != nil {
			t.Errorf("last of nothing: %s, error %v", last, err)
		}
		if has, err := stream.Has(f.ctx, "1-1"); has || err != nil {
			t.Errorf("nothing has an entry: %t, error %v", has, err)
		}
		if events, err := stream.Read(f.ctx, "0-0", time.Millisecond); events != nil || err != nil {
			t.Errorf("nothing: %v, error %v", events, err)
		}
		f.add(late("a", time.Hour))
		events, err := stream.Read(f.ctx, "0-0", time.Minute)
		if err != nil || len(events) != 2 || events[0].Type != jobs.EventAdded || events[0].Name != "work" ||
			events[1].Type != jobs.EventDelayed || !events[1].DueAt.Equal(epoch.Add(time.Hour)) {
			t.Fatalf("%+v, error %v", events, err)
		}
		if has, err := stream.Has(f.ctx, events[0].ID); !has || err != nil {
			t.Errorf("has the first: %t, error %v", has, err)
		}
		last, err := stream.Last(f.ctx)
		if err != nil || last != events[1].ID {
			t.Errorf("last %s, error %v", last, err)
		}
		if rest, err := stream.Read(f.ctx, events[0].ID, time.Minute); err != nil || len(rest) != 1 {
			t.Errorf("after the first: %v, error %v", rest, err)
		}
	})
}
