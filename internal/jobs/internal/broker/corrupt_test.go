package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/redistest"
)

// garbage is what a broken client might store in any field.
var garbage = []string{
	"", "x", "null", "-1", "1.5", "1e999", "nan", "-inf", "inf", "0x10", "99999999999999999999", "{}", "[]", `{"a"`, "\xff\x00",
	`{"fpof":true}`, "Q:a", "a:b:c",
}

// fields are all that a stored job can have.
var fields = []string{
	"name", "data", "opts", "timestamp", "delay", "priority", "parentKey", "parent", "rjk", "deid", "progress",
	"processedOn", "pb", "ats", "atm", "stc", "defa", "returnvalue", "failedReason", "stacktrace", "finishedOn",
	"attemptsMade", "tm",
}

// Whatever one field of a stored job holds: the job can be taken and ended, or
// is failed by the server with a reason, its neighbours are served as if nothing
// was, and it is in one place at the end.
func TestNoFieldOfAJobCanStopTheQueue(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		for _, field := range fields {
			for i, value := range garbage {
				f.keys = newFixtureKeys(f, fmt.Sprintf("%s-%d", field, i))
				f.oneBrokenField(field, value)
			}
		}
	})
}

func (f *fixture) oneBrokenField(field, value string) {
	f.Helper()
	f.add(newJob("before"), late("bad", time.Second), newJob("after"))
	f.hset("bad", field, value)
	f.now = f.now.Add(time.Second)
	defer func(at time.Time) { f.now = at }(epoch)
	b := f.broker()
	settled, err := b.Settle(f.ctx, nil, fetch("t", 3))
	if err != nil {
		f.Fatalf("%s=%q: take: %v", field, value, err)
	}
	var outcomes []broker.Outcome
	for _, taken := range settled.Taken {
		job, corrupt := taken.Load()
		o := outcome(broker.Completed, taken.ID)
		if corrupt != nil {
			o = outcome(broker.Failed, taken.ID)
		}
		o.Made, o.Stalled = job.AttemptsMade, job.StalledCount
		outcomes = append(outcomes, o)
	}
	ended, err := b.Settle(f.ctx, outcomes, fetch("t2", 3))
	if err != nil || len(ended.Taken) != 0 {
		f.Fatalf("%s=%q: end: %v, took %v", field, value, err, ended.Taken)
	}
	for i, result := range ended.Results {
		if result != nil {
			f.Errorf("%s=%q: end %s: %v", field, value, outcomes[i].ID, result)
		}
	}
	for _, id := range []string{"before", "after"} {
		if state, err := f.stateOf(id); state != jobs.Completed || err != nil {
			f.Errorf("%s=%q: %s is %s, %v", field, value, id, state, err)
		}
	}
	if state, _ := f.stateOf("bad"); !state.Finished() {
		f.Errorf("%s=%q: the job is %s\n%s", field, value, state, invariant.Dump(f, f.client, f.keys))
	}
	for _, key := range []string{f.keys.Active(), f.keys.Wait(), f.keys.Delayed(), f.keys.Prioritized()} {
		if f.client.Exists(f.ctx, key).Val() != 0 {
			f.Errorf("%s=%q: %s is left", field, value, key)
		}
	}
}

// Nor can a setting or a counter of the queue that somebody broke.
func TestNoSettingCanStopTheQueue(t *testing.T) {
	settings := []string{
		"hset Q:meta opts.maxLenEvents %s", "hset Q:meta max 9 duration %s", "hset Q:meta max %s duration 10",
		"hset Q:meta concurrency %s", "set Q:id %s", "set Q:pc %s", "hset Q:meta max 9 opts.maxLenEvents 10000#set Q:limiter %s",
	}
	values := []string{"x", "-1", "1.5", "1e300", "1e999", "nan", "inf", "{}", "99999999999999999999"}
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		for i, setting := range settings {
			for j, value := range values {
				f.keys = newFixtureKeys(f, fmt.Sprintf("setting%d-%d", i, j))
				f.add(newJob("a"), ranked("b", 1))
				for command := range strings.SplitSeq(fmt.Sprintf(setting, value), "#") {
					f.do(command)
				}
				f.oneBrokenSetting(fmt.Sprintf(setting, value))
			}
		}
	})
}

// oneBrokenSetting adds and takes; a setting may mean that less is taken, but no
// job may get lost over it.
func (f *fixture) oneBrokenSetting(setting string) {
	f.Helper()
	if _, err := f.broker().Add(f.ctx, []broker.NewJob{newJob("c"), ranked("d", 1), late("e", time.Hour)}); err != nil {
		f.Errorf("%s: add: %v", setting, err)
	}
	settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 4))
	if err != nil {
		f.Errorf("%s: take: %v", setting, err)
	}
	f.do("hset Q:meta opts.maxLenEvents 10000", "set Q:id 5")
	f.do("zadd Q:marker 0 0") // what a setting means for markers is not the point here
	f.must()
	counts, err := f.broker().Counts(f.ctx)
	if all := counts.Waiting + counts.Prioritized + counts.Active + counts.Delayed; err != nil || all != 5 {
		f.Errorf("%s: %d jobs are left of 5, %d were taken: %v", setting, all, len(settled.Taken), err)
	}
}

// A list that is none takes no job away: not those that end in the call, nor those
// that go on running, nor any that the call has popped from elsewhere.
func TestAListThatIsNoneCostsNobodyAJob(t *testing.T) {
	ids := []string{"a", "b", "c", "d", "e", "f", "g"}
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		for _, broken := range []string{"wait", "prioritized", "events"} {
			t.Run(broken, func(t *testing.T) {
				f := newFixture(t, server)
				f.active("t", ids...)
				f.add(newJob("h"), ranked("i", 1))
				f.do("rename Q:"+broken+" Q:kept", "set Q:"+broken+" x")
				var ended []broker.Outcome
				for _, id := range ids[:5] {
					ended = append(ended, outcome(broker.Completed, id))
				}
				if _, err := f.broker().Settle(f.ctx, ended, fetch("t2", 5)); err == nil {
					t.Error("the call does not say what is broken")
				}
				f.do("del Q:"+broken, "rename Q:kept Q:"+broken)
				f.everyJobIsSomewhere(append([]string{"h", "i"}, ids...))
			})
		}
	})
}

func (f *fixture) everyJobIsSomewhere(ids []string) {
	f.Helper()
	for _, id := range ids {
		if state, err := f.stateOf(id); err != nil || state == jobs.Unknown {
			f.Errorf("job %s is %q: %v\n%s", id, state, err, invariant.Dump(f, f.client, f.keys))
			return
		}
	}
}

func TestJobsAreTakenOnlyUnderALock(t *testing.T) {
	f := newFixture(t, redistest.Shared(t))
	f.add(newJob("a"))
	for _, bad := range []broker.Fetch{{Want: 1, LockFor: lease}, {Want: 1, Token: "t"}} {
		if _, err := f.broker().Settle(f.ctx, nil, bad); !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("%+v: error %v", bad, err)
		}
	}
	f.must()
}

// A call promotes 100 jobs at most. When it takes them all, those that are due
// and left have a marker, and the caller hears of them.
func TestMoreDueJobsThanOneCallPromotesAreNotForgotten(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		for from := 0; from < 150; from += broker.MaxBatch {
			batch := make([]broker.NewJob, broker.MaxBatch)
			for i := range batch {
				batch[i] = late(fmt.Sprintf("d%d", from+i), time.Second)
			}
			f.add(batch...)
		}
		f.do("del Q:marker")
		f.pass(time.Second)
		settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 100))
		if err != nil || len(settled.Taken) != 100 || !settled.Left || !settled.NextDue.Equal(f.now) {
			t.Errorf("took %d, left %t, next due %v, error %v", len(settled.Taken), settled.Left, settled.NextDue, err)
		}
		f.must()
		f.take("t3", 50)
	})
}

// Something that is no hash under a job's key is dropped wherever it turns up.
func TestWhatIsNoJobIsDropped(t *testing.T) {
	kinds := map[string]string{
		"list": "rpush Q:bad x", "set": "sadd Q:bad x", "zset": "zadd Q:bad 1 x", "string": "set Q:bad x",
		"stream": "xadd Q:bad * a b", "nothing": "del Q:bad",
	}
	placed := map[string]string{
		"wait": "rpush Q:wait bad", "prioritized": "zadd Q:prioritized 1 bad", "delayed": "zadd Q:delayed 1 bad",
	}
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		for kind, create := range kinds {
			for place, put := range placed {
				f.keys = newFixtureKeys(f, kind+"-"+place)
				f.add(newJob("good"))
				f.do(create, put)
				settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 5))
				ids := []string{}
				for _, taken := range settled.Taken {
					ids = append(ids, taken.ID)
				}
				if diff := cmp.Diff([]string{"good"}, ids); err != nil || diff != "" {
					t.Errorf("%s in %s: error %v, taken (-want +got):\n%s", kind, place, err, diff)
				}
				f.do("del Q:bad")
				f.must()
			}
		}
	})
}

// A running job whose record goes bad is ended or dropped, and never comes round
// for ever.
func TestARunningJobThatGoesBadIsGivenUp(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		for _, damage := range []string{"del Q:a", "rename Q:a:x Q:a", "hset Q:a stc {} ats {} atm {}", "hset Q:a priority {} opts {"} {
			for _, dies := range []bool{false, true} {
				f := newFixture(t, server)
				f.active("t", "a", "b")
				f.do("rpush Q:a:x y", damage, "del Q:a:x")
				if dies {
					f.suspect(-1)
					f.die("a")
					f.sweep(-1)
				}
				f.settle(0, outcome(broker.Failed, "a"), outcome(broker.Completed, "b"))
				for i := range 3 {
					if _, err := f.broker().Settle(f.ctx, nil, fetch(fmt.Sprint("again", i), 5)); err != nil {
						t.Errorf("%s, dies %t: %v", damage, dies, err)
					}
					f.settle(0, by(fmt.Sprint("again", i), outcome(broker.Failed, "a")))
				}
				if n := f.client.Exists(f.ctx, f.keys.Active(), f.keys.Wait()).Val(); n != 0 {
					t.Errorf("%s, dies %t: the job is still about\n%s", damage, dies, invariant.Dump(t, f.client, f.keys))
				}
			}
		}
	})
}

// Scores that no client of the format writes neither stop the others nor break
// the answer.
func TestNoScoreOfADelayedJobCanStopTheQueue(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		for i, score := range []string{"-inf", "-5", "0", "0.5", "1e300", "+inf", "9007199254740993"} {
			f.keys = newFixtureKeys(f, fmt.Sprint("score", i))
			f.add(newJob("good"), late("bad", time.Hour))
			f.do("zadd Q:delayed " + score + " bad")
			settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 5))
			if err != nil || len(settled.Taken) == 0 || settled.Taken[0].ID != "good" {
				t.Errorf("score %s: taken %v, error %v", score, settled.Taken, err)
			}
			if _, err := f.broker().Add(f.ctx, []broker.NewJob{late("later", time.Hour)}); err != nil {
				t.Errorf("score %s: add: %v", score, err)
			}
			if err := f.broker().ChangeDelay(f.ctx, "later", time.Second); err != nil {
				t.Errorf("score %s: change delay: %v", score, err)
			}
		}
	})
}
