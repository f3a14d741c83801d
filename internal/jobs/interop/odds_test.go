package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/events"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// What no row of the checklist names, and what Node's users do all the same.

func TestGoKeepsWhatNodeSays(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		gone := q.add("echo", obj{}, obj{"removeOnComplete": true})
		goneToo := q.add("fail", obj{}, obj{"removeOnFail": true})
		evicted := q.add("echo", obj{}, obj{"removeOnComplete": 2})
		aged := q.add("echo", obj{}, obj{"removeOnComplete": obj{"age": 3600, "count": 2}})
		last := q.add("echo", obj{}, obj{"removeOnComplete": 2})
		kept := q.add("echo", obj{}, obj{"removeOnComplete": false}) // overrides the worker
		empty := q.add("echo", obj{}, obj{"removeOnComplete": obj{}, "removeOnFail": obj{}})
		r.goWorker(worker.Options{KeepCompleted: &jobs.Retention{None: true}, KeepFailed: &jobs.Retention{}})
		r.awaitEvent("completed", empty)
		for id, there := range map[string]bool{gone: false, goneToo: false, evicted: false, aged: true, last: true, kept: true} {
			want(r, "job "+id, r.exists(id), there)
		}
		r.sound()
	})
}

func TestGoRunsJobsWithOddOptions(t *testing.T) {
	for name, opts := range map[string]obj{
		"a negative delay":      {"delay": -5},
		"a broken delay":        {"delay": 10.5},
		"no attempts":           {"attempts": 0},
		"an old timestamp":      {"timestamp": 1},
		"options of nobody":     {"shards": []any{}, "nested": obj{"empty": []any{}, "none": nil}},
		"an id of three parts":  {"jobId": "a:b:c"},
		"an id of many tongues": {"jobId": "Bestellung №7 🐘"},
		"everything kept":       {"removeOnComplete": obj{"age": 10.5}},
		"a telemetry carrier":   {"telemetry": obj{"metadata": `{"traceparent":"00-1"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			eachMajor(t, func(r *room) {
				q := r.nodeQueue()
				id := q.add("echo", obj{"n": 1}, opts)
				r.goWorker(keeping())
				r.awaitEvent("completed", id)
				want(r, "state", r.states(q, id), both(jobs.Completed))
				want[any](r, "result", q.job(id, "").at("returnvalue"), obj{"n": 1.0})
				r.sound()
			})
		})
	}
}

func TestQueuesOfAnyNameAreShared(t *testing.T) {
	eachMajor(t, func(r *room) {
		odd := r.other("Aufträge {eu} 🐘")
		q := odd.nodeQueue()
		id := q.add("echo", obj{}, nil)
		odd.goWorker(worker.Options{Name: "any"})
		odd.awaitEvent("completed", id)
		odd.blocked(1)
		want(r, "workers", len(q.call("getWorkers").any().([]any)), 1)
		odd.nodeWorker(nil)
		odd.awaitEvent("completed", odd.add(odd.goQueue(), "echo", obj{}, plain()))
	})
}

func TestALIFOJobIsRetriedBeforeTheOthers(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		other := q.add("echo", obj{}, nil)
		id := q.add("fail", obj{"times": 1}, obj{"attempts": 2, "lifo": true})
		r.goWorker(keeping())
		r.awaitEvent("completed", other)
		want(r, "order", r.order(), []string{id, id, other})
	})
}

func TestTracesAreLimitedAsNodeSays(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("fail", obj{}, obj{"attempts": 4, "stackTraceLimit": 2})
		r.goWorker(keeping())
		r.awaitEvent("failed", id)
		want[any](r, "traces", q.job(id, "").at("stacktrace"), []any{"attempt 3: boom 2", "attempt 4: boom 3"})
	})
}

// Node's workers need a function for a type of their user's; a Go worker without
// one says so, where Node's would leave the job active.
func TestABackoffThatGoDoesNotKnowFailsTheJobWithAReason(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("fail", obj{}, obj{"attempts": 3, "backoff": obj{"type": "tidal", "delay": 5}})
		r.goWorker(keeping())
		r.awaitEvent("failed", id)
		if reason := q.job(id, "").text("failedReason"); !strings.Contains(reason, "boom 0") || !strings.Contains(reason, "tidal") {
			r.Errorf("reason %q", reason)
		}
	})
}

// A scheduler's template, and its first job, may keep a backoff that is a number.
func TestASchedulersBackoffMayBeANumber(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		q.call("upsertJobScheduler", "s", obj{"every": 3_600_000}, obj{
			"name": "fail", "data": obj{"times": 1}, "opts": obj{"attempts": 2, "backoff": 20},
		})
		r.goWorker(keeping())
		done := r.awaitNth("completed", "", 1)
		want(r, "attempts", r.field(done.id, "atm"), "2")
		want(r, "delays", len(r.moments("delayed", done.id)), 1)
		next := r.runs()[1]
		want(r, "the next run's", q.job(next, "").at("opts", "backoff", "delay"), any(20.0))
		r.sound()
	})
}

func TestNodeLearnsWhyGoFailedAJob(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, heard := r.nodeQueue(), r.nodeEvents()
		id := q.add("fail", obj{"reason": "no such address"}, nil)
		failure := make(chan error, 1)
		go func() {
			_, err := q.tryJob(id, "waitUntilFinished", heard.ref(), patience.Milliseconds())
			failure <- err
		}()
		r.goWorker(keeping())
		var thrown *nodeError
		if err := <-failure; !errors.As(err, &thrown) || thrown.Message != "no such address" {
			r.Errorf("node waited and got %v", err)
		}
	})
}

func TestGoFollowsWhatNodeDoes(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("progress", obj{}, obj{"delay": 20})
		failed := q.add("fail", obj{"reason": "gone"}, nil)
		r.nodeWorker(nil)
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		seen := map[string][]jobs.Event{}
		for event, err := range events.Follow(ctx, r.conn, r.prefix, r.queue, events.FromStart) {
			must(r, err)
			seen[event.JobID] = append(seen[event.JobID], event)
			if len(seen[id]) == 7 && len(seen[failed]) == 5 {
				break
			}
		}
		var kinds []jobs.EventType
		for _, event := range seen[id] {
			kinds = append(kinds, event.Type)
		}
		want(r, "events", kinds, []jobs.EventType{jobs.EventAdded, jobs.EventDelayed, jobs.EventWaiting, jobs.EventActive,
			jobs.EventProgress, jobs.EventProgress, jobs.EventCompleted})
		want(r, "progress", seen[id][5].Data, json.RawMessage(`{"pct":50}`))
		want(r, "result", seen[id][6].ReturnValue, json.RawMessage(`null`))
		want(r, "name", seen[id][0].Name, "progress")
		if seen[id][1].DueAt.IsZero() {
			r.Error("the delayed job has no due time")
		}
		want(r, "reason", seen[failed][3].FailedReason, "gone")
		want(r, "attempts", seen[failed][4].AttemptsMade, 1)
	})
}

func TestAdminShowsNodesJobsAsNodeDoes(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		id := q.add("progress", obj{"a": 1}, obj{"attempts": 4, "backoff": obj{"type": "exponential", "delay": 100}, "priority": 6})
		r.nodeWorker(obj{"name": "nora"})
		r.awaitEvent("completed", id)
		job, state, err := r.admin().Get(r.Context(), id)
		must(r, err)
		theirs := q.job(id, "")
		want(r, "state", state, jobs.Completed)
		want(r, "words", []string{job.Name, string(job.Data), string(job.Progress), job.ProcessedBy},
			[]string{"progress", `{"a":1}`, `{"pct":50}`, "nora"})
		want(r, "numbers", []float64{float64(job.Timestamp.UnixMilli()), float64(job.ProcessedOn.UnixMilli()), float64(job.FinishedOn.UnixMilli()),
			float64(job.Priority), float64(job.AttemptsMade), float64(job.MaxAttempts())},
			[]float64{theirs.number("timestamp"), theirs.number("processedOn"), theirs.number("finishedOn"), 6, 1, 4})
		want(r, "backoff", job.Options.Backoff, jobs.Backoff{Type: jobs.Exponential, Delay: 100_000_000})
		lines, total, err := r.admin().Logs(r.Context(), id, 1, 2)
		must(r, err)
		want(r, "logs", append(lines, string(rune('0'+total))), []string{"two", "three", "4"})
	})
}
