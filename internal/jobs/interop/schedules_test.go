package interop_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/jobs"
)

// runs are the ids of a scheduler's runs in the order in which they were added.
func (r *room) runs() []string {
	r.Helper()
	ids := []string{}
	for _, e := range r.stream() {
		if e.event == "added" && strings.HasPrefix(e.id, "repeat:") {
			ids = append(ids, e.id)
		}
	}
	return ids
}

func slotOf(t testing.TB, run string) int64 {
	t.Helper()
	ms, err := strconv.ParseInt(run[strings.LastIndexByte(run, ':')+1:], 10, 64)
	must(t, err)
	return ms
}

// repeatOf is the member repeat of a run's options.
func (r *room) repeatOf(run string) obj {
	r.Helper()
	var opts struct{ Repeat obj }
	must(r, json.Unmarshal([]byte(r.field(run, "opts")), &opts))
	return opts.Repeat
}

func TestCheck63_GoAdvancesNodesInterval(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		q.call("upsertJobScheduler", "s", obj{"every": 600}, obj{
			"name": "echo", "data": obj{"a": 1}, "opts": obj{"attempts": 2, "keepLogs": 4},
		})
		w := r.goWorker(keeping())
		r.awaitNth("completed", "", 3)
		w.pool.Stop()
		must(r, w.pool.WaitForCompletion(patience))

		runs := r.runs()
		for i, run := range runs[1:] {
			// A machine that is late by a whole interval skips it.
			if gap := slotOf(r, run) - slotOf(r, runs[i]); gap < 600 || gap%600 != 0 {
				r.Errorf("run %s comes %d ms after the one before", run, gap)
			}
			want(r, "count", r.repeatOf(run)["count"], any(float64(i+2)))
		}
		last := runs[len(runs)-1]
		job := r.hash(last)
		want(r, "next run", []string{job["name"], job["data"], job["rjk"]}, []string{"echo", `{"a":1}`, "s"})
		want(r, "score", r.zset("repeat"), []string{fmt.Sprintf("s=%d", slotOf(r, last))})
		want(r, "iterations", r.field("repeat:s", "ic"), strconv.Itoa(len(runs)))
		want(r, "state", r.states(q, last), both(jobs.Delayed))
		opts := q.job(last, "")
		want(r, "options", []float64{opts.number("opts", "attempts"), opts.number("opts", "keepLogs")}, []float64{2, 4})
		want(r, "Node's view", q.call("getJobScheduler", "s").number("next"), float64(slotOf(r, last)))
		r.sound()

		// Node takes over where Go stopped, and Go again.
		n := r.nodeWorker(nil)
		r.awaitNth("completed", "", len(runs)+1)
		n.close()
		r.goWorker(keeping())
		r.awaitNth("completed", "", len(runs)+3)
		for i, run := range r.runs()[1:] {
			if gap := slotOf(r, run) - slotOf(r, r.runs()[i]); gap%600 != 0 || gap <= 0 {
				r.Errorf("run %s came %d ms after the one before", run, gap)
			}
		}
	})
}

func TestCheck64_GoEndsNodesCronAtItsLimit(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		q.call("upsertJobScheduler", "c", obj{"pattern": "* * * * * *", "tz": "Europe/Madrid", "limit": 2}, obj{"name": "echo"})
		r.goWorker(keeping())
		r.awaitNth("completed", "", 2)
		runs := r.runs()
		want(r, "runs", len(runs), 2)
		want(r, "a second", (slotOf(r, runs[1])-slotOf(r, runs[0]))%1000, 0)
		want(r, "delayed", r.members("delayed"), []string{})
		want(r, "iterations", r.field("repeat:c", "ic"), "2")
		s := q.call("getJobScheduler", "c")
		want(r, "Node's view", []any{s.at("pattern"), s.at("tz"), s.at("limit")}, []any{"* * * * * *", "Europe/Madrid", 2.0})
	})
}

func TestCheck65_ARetryDoesNotAdvanceTwice(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		q.call("upsertJobScheduler", "s", obj{"every": 3_600_000}, obj{
			"name": "fail", "data": obj{}, "opts": obj{"attempts": 2, "backoff": obj{"type": "fixed", "delay": 50}},
		})
		r.goWorker(keeping())
		r.awaitNth("failed", "", 1)
		runs := r.runs()
		want(r, "runs", len(runs), 2)
		want(r, "attempts", r.field(runs[0], "atm"), "2")
		want(r, "iterations", r.field("repeat:s", "ic"), "2")
		r.sound()
	})
}

// advanced is a scheduler of Node's whose first run Go has completed; its second
// run is delayed by an hour.
func (r *room) advanced(q *object) (pending string) {
	r.Helper()
	q.call("upsertJobScheduler", "s", obj{"every": 3_600_000}, obj{"name": "echo", "data": obj{"v": 1}})
	r.goWorker(keeping())
	r.awaitNth("completed", "", 1)
	return r.runs()[1]
}

func TestCheck66_NodeUpsertsOverARunThatGoMade(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		pending := r.advanced(q)
		q.call("upsertJobScheduler", "s", obj{"every": 3_600_000}, obj{"name": "echo", "data": obj{"v": 2}})
		want(r, "same slot", r.members("delayed"), []string{pending})
		want(r, "data", r.field(pending, "data"), `{"v":2}`)
		q.call("upsertJobScheduler", "s", obj{"every": 1_800_000}, obj{"name": "echo", "data": obj{"v": 3}})
		want(r, "old run", r.exists(pending), false)
		r.eventually("a run in the new slot", func() bool { return len(r.runs()) >= 4 })
		r.sound()
	})
}

func TestCheck67_NodeRemovesASchedulerThatGoAdvanced(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		pending := r.advanced(q)
		want[any](r, "answer", q.call("removeJobScheduler", "s").any(), true)
		want(r, "left", []bool{r.exists(pending), r.exists("repeat"), r.exists("repeat:s"), r.exists("delayed")}, make([]bool, 4))
		r.awaitEvent("removed", pending)
	})
}

func TestCheck68_ThePendingRunCannotBeRemoved(t *testing.T) {
	eachMajor(t, func(r *room) {
		q := r.nodeQueue()
		pending := r.advanced(q)
		_, err := q.tryJob(pending, "remove")
		var failure *nodeError
		if !errors.As(err, &failure) || failure.Code != -8.0 {
			r.Errorf("node removes the pending run: %v", err)
		}
		if err := r.admin().Remove(r.Context(), pending, false); !errors.Is(err, jobs.ErrSchedulerJob) {
			r.Errorf("go removes the pending run: %v", err)
		}
		want(r, "state", r.states(q, pending), both(jobs.Delayed))
	})
}
