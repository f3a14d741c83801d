package broker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/redistest"
)

func (f *fixture) adding(list ...broker.NewJob) any {
	existed, err := f.broker().Add(f.ctx, list)
	return answer(existed, err)
}

func runAt(id string, at time.Time) broker.NewJob {
	job := newJob(id)
	job.RunAt = at
	return job
}

func TestAdd(t *testing.T) {
	tellAll(t, "add", []scenario{
		{
			name: "a job to an empty queue",
			when: func(f *fixture) any { return f.adding(newJob("a")) },
		},
		{
			name: "jobs of every kind keep their order",
			when: func(f *fixture) any {
				return f.adding(newJob("a"), newJob("b"), first("c"), first("d"), ranked("e", 10), ranked("f", 1),
					ranked("g", 10), late("h", time.Second), late("i", time.Second), late("j", time.Millisecond))
			},
		},
		{
			name: "the delay wins over the priority",
			when: func(f *fixture) any {
				job := late("a", time.Minute)
				job.Priority = 5
				return f.adding(job)
			},
		},
		{
			name: "a moment to run at",
			when: func(f *fixture) any {
				return f.adding(runAt("past", epoch.Add(-time.Hour)), runAt("now", epoch), runAt("future", epoch.Add(time.Hour)))
			},
		},
		{
			name:  "an id that is there already",
			given: func(f *fixture) { f.add(given("a")) },
			when:  func(f *fixture) any { return f.adding(given("a"), given("b")) },
		},
		{
			name:    "an id twice in one call",
			when:    func(f *fixture) any { return f.adding(given("a"), given("a")) },
			differs: true, // the stream does not say which of the two was first
		},
		{
			name: "an id of a finished job",
			given: func(f *fixture) {
				f.add(given("a"))
				f.take("t", 1)
				f.settle(0, outcome(broker.Completed, "a"))
			},
			when: func(f *fixture) any { return f.adding(given("a")) },
		},
		{
			name:  "to a paused queue without waking anybody",
			given: func(f *fixture) { f.do("hset Q:meta paused 1 opts.maxLenEvents 10000") },
			when:  func(f *fixture) any { return f.adding(newJob("a"), ranked("b", 3), late("c", time.Second)) },
		},
		{
			name: "to a queue whose slots are all taken without waking anybody",
			given: func(f *fixture) {
				f.active("t", "a")
				f.do("hset Q:meta concurrency 1", "del Q:marker")
			},
			when: func(f *fixture) any { return f.adding(newJob("b")) },
		},
		{
			name:  "leaves the settings of another client alone",
			given: func(f *fixture) { f.do("hset Q:meta opts.maxLenEvents 500 version bullmq:5.81.5") },
			when:  func(f *fixture) any { return f.adding(newJob("a")) },
		},
		{
			name:  "with a stream length that is no number",
			given: func(f *fixture) { f.do("hset Q:meta opts.maxLenEvents many") },
			when: func(f *fixture) any {
				result := f.adding(newJob("a"))
				f.do("hset Q:meta opts.maxLenEvents 10000")
				return result
			},
		},
		{
			name:  "a delayed job that is due before all others moves the marker",
			given: func(f *fixture) { f.add(late("a", time.Hour)) },
			when:  func(f *fixture) any { return f.adding(late("b", time.Minute)) },
		},
		{
			name: "due beyond the bits of a score",
			when: func(f *fixture) any {
				far := time.UnixMilli(2_300_000_000_000)
				return f.adding(runAt("a", far), runAt("b", far))
			},
		},
		{
			name: "data is stored byte for byte",
			when: func(f *fixture) any {
				job := newJob("a")
				job.Data = []byte(`{ "x" : 1.50, "y":"\u00e9/é" }`)
				return f.adding(job)
			},
		},
	})
}

// By the server's clock, which tells microseconds.
func TestADelayIsNeverCutShortAndAMomentIsMet(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		b := broker.New(f.client, f.keys)
		due := func(id string) time.Time {
			t.Helper()
			return wire.DueAt(f.client.ZScore(f.ctx, f.keys.Delayed(), id).Val())
		}
		for i := range 20 {
			id, at := fmt.Sprint("at", i), time.Now().Add(time.Hour).Truncate(time.Millisecond)
			delayed, set := late(fmt.Sprint("in", i), time.Hour), runAt(id, at)
			before := f.client.Time(f.ctx).Val()
			if _, err := b.Add(f.ctx, []broker.NewJob{delayed, set}); err != nil {
				t.Fatal(err)
			}
			if got := due(delayed.ID); got.Before(before.Add(time.Hour)) {
				t.Errorf("due %s before the delay is over", before.Add(time.Hour).Sub(got))
			}
			if got := due(id); !got.Equal(at) {
				t.Errorf("due %s, wanted %s", got, at)
			}
		}
	})
}
