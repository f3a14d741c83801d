package interop_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// board is Bull Board over these queues, without a browser: it checks the shape
// of each of its answers itself.
func (r *room) board(queues ...*object) *object {
	r.Helper()
	refs := []any{}
	for _, q := range queues {
		refs = append(refs, q.ref())
	}
	return r.node.create(r.T, obj{"op": "board", "args": refs})
}

// request calls a route of the board, which must answer with success.
func (o *object) request(route string, params, query obj) value {
	o.t.Helper()
	v := o.call("request", route, params, query)
	if status := v.number("status"); status >= 300 {
		o.t.Fatalf("%s answers %s", route, v.raw)
	}
	return v
}

// page is what the board shows of a queue.
func (o *object) page(queue, status string) obj {
	o.t.Helper()
	v := o.request("get /api/queues", obj{}, obj{"activeQueue": queue, "status": status, "page": "1", "jobsPerPage": "10"})
	return v.at("body", "queues").([]any)[0].(obj)
}

func TestBullBoardShowsAndRetriesOurJobs(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.goQueue()
		done := r.add(q, "progress", obj{}, plain())
		failed := r.add(q, "fail", obj{"times": 1}, plain())
		r.add(q, "echo", obj{}, jobs.Options{Delay: time.Hour})
		w := r.goWorker(keeping())
		r.awaitEvent("failed", failed)
		held := r.add(q, "hold", obj{}, plain())
		w.awaitHolding(held)
		r.add(q, "echo", obj{}, jobs.Options{Priority: jobs.High})
		r.add(q, "echo", obj{}, plain())

		board := r.board(r.nodeQueue())
		page := board.page(r.queue, "latest")
		counts := page["counts"].(obj)
		for state, n := range map[string]float64{"active": 1, "completed": 1, "failed": 1, "delayed": 1, "waiting": 1, "prioritized": 1} {
			want[any](r, "count of "+state, counts[state], n)
		}
		want(r, "jobs shown", len(page["jobs"].([]any)), 6)
		want[any](r, "paused, has workers", []any{page["isPaused"], page["hasWorkers"]}, []any{false, true})

		params := obj{"queueName": r.queue, "jobId": done}
		detail := board.request("get /api/queues/:queueName/:jobId", params, obj{})
		want[any](r, "detail", []any{detail.at("body", "status"), detail.at("body", "job", "progress", "pct"), detail.at("body", "job", "isFailed")},
			[]any{"completed", 50.0, false})
		logs := board.request("get /api/queues/:queueName/:jobId/logs", params, obj{})
		want(r, "logs", logs.at("body"), any([]any{"one", "two", "three", "four"}))

		shown := board.page(r.queue, "failed")["jobs"].([]any)[0].(obj)
		want[any](r, "the failed job", []any{shown["id"], shown["failedReason"], shown["isFailed"]}, []any{failed, "boom 0", true})
		w.release()
		board.request("put /api/queues/:queueName/:jobId/retry", obj{"queueName": r.queue, "jobId": failed, "queueStatus": "failed"}, obj{})
		r.awaitEvent("completed", failed)
	})
}

func TestBullBoardSteersOurQueue(t *testing.T) {
	newest(t, func(r *room) {
		q := r.goQueue()
		board := r.board(r.nodeQueue())
		queue := obj{"queueName": r.queue}
		board.request("put /api/queues/:queueName/pause", queue, obj{})
		counts, err := r.admin().Counts(r.Context())
		must(r, err)
		want(r, "paused", counts.Paused, true)
		delayed := r.add(q, "echo", obj{}, jobs.Options{Priority: jobs.Unprioritized, Delay: time.Hour})
		r.goWorker(keeping())
		board.request("put /api/queues/:queueName/:jobId/promote", obj{"queueName": r.queue, "jobId": delayed}, obj{})
		want(r, "wait", r.list("wait"), []string{delayed})
		board.request("put /api/queues/:queueName/resume", queue, obj{})
		r.awaitEvent("completed", delayed)
		board.request("put /api/queues/:queueName/:jobId/clean", obj{"queueName": r.queue, "jobId": delayed}, obj{})
		want(r, "removed", r.exists(delayed), false)
		workers := board.request("get /api/queues/:queueName/workers", queue, obj{})
		if text := string(workers.raw); !strings.Contains(text, "name") {
			r.Errorf("the board sees no worker: %s", text)
		}
	})
}
