package interop_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// ends counts, for each job, how often an end was told of it: completed or
// failed for good.
func (r *room) ends() map[string][]string {
	r.Helper()
	all := map[string][]string{}
	for _, e := range r.stream() {
		if e.event == "completed" || e.event == "failed" {
			all[e.id] = append(all[e.id], e.event)
		}
	}
	return all
}

// empty checks that nothing is left of work that is done.
func (r *room) empty() {
	r.Helper()
	for _, suffix := range []string{"wait", "paused", "active", "delayed", "prioritized", "waiting-children"} {
		r.eventually(suffix+" is empty", func() bool { return !r.exists(suffix) })
	}
	for _, key := range r.all() {
		if strings.HasSuffix(key, ":lock") {
			r.Errorf("%s is still there", key)
		}
	}
}

// mixed are the kinds of jobs of row 83, with how each ends and after how many
// attempts.
var mixed = []struct {
	name    string
	data    obj
	opts    obj
	goOpts  jobs.Options
	end     string
	attempt string
}{
	{"echo", obj{}, obj{}, plain(), "completed", "1"},
	{"sleep", obj{"ms": 3}, obj{"priority": 3}, jobs.Options{Priority: 3}, "completed", "1"},
	{"echo", obj{}, obj{"delay": 120}, delayed(120), "completed", "1"},
	{"progress", obj{}, obj{"lifo": true}, jobs.Options{LIFO: true}, "completed", "1"},
	{"nothing", obj{}, obj{"priority": 1, "delay": 60}, jobs.Options{Priority: 1, Delay: 60 * time.Millisecond}, "completed", "1"},
	{"fail", obj{"times": 1}, obj{"attempts": 2}, attempts(2, 0), "completed", "2"},
	{"fail", obj{"times": 2}, obj{"attempts": 3, "backoff": 20}, attempts(3, 20), "completed", "3"},
	{"fail", obj{}, obj{"attempts": 2, "backoff": 10}, attempts(2, 10), "failed", "2"},
	{"hopeless", obj{}, obj{"attempts": 5}, attempts(5, 10), "failed", "1"},
	{"fail", obj{}, obj{}, plain(), "failed", "1"},
}

func delayed(ms time.Duration) jobs.Options {
	o := plain()
	o.Delay = ms * time.Millisecond
	return o
}

func attempts(n int, ms time.Duration) jobs.Options {
	o := plain()
	o.Attempts = n
	if ms > 0 {
		o.Backoff = jobs.Backoff{Type: jobs.Fixed, Delay: ms * time.Millisecond}
	}
	return o
}

func TestCheck83_TwoHundredMixedJobsEndOnceEach(t *testing.T) {
	newest(t, func(r *room) {
		ended, made := map[string]string{}, map[string]string{}
		five, six, q := r.in(5).nodeQueue(), r.nodeQueue(), r.goQueue()
		r.goWorker(worker.Options{Concurrency: 3, KeepCompleted: &jobs.Retention{}})
		r.in(5).nodeWorker(obj{"concurrency": 2, "drainDelay": 1})
		r.nodeWorker(obj{"concurrency": 2, "drainDelay": 1})
		r.goWorker(worker.Options{Concurrency: 1, KeepCompleted: &jobs.Retention{}})
		for i := range 200 {
			kind := mixed[i%len(mixed)]
			var id string
			switch i / len(mixed) % 3 {
			case 0:
				id = r.add(q, kind.name, kind.data, kind.goOpts)
			case 1:
				id = five.add(kind.name, kind.data, kind.opts)
			case 2:
				id = six.add(kind.name, kind.data, kind.opts)
			}
			ended[id], made[id] = kind.end, kind.attempt
		}
		r.eventually("all ended", func() bool { return len(r.members("completed"))+len(r.members("failed")) == 200 })
		for id, ends := range r.ends() {
			want(r, "ends of "+id, ends, []string{ended[id]})
			want(r, "attempts of "+id, r.field(id, "atm"), made[id])
		}
		counts := r.agree(six)
		want(r, "completed and failed", []int64{counts.Completed, counts.Failed}, []int64{140, 60})
		r.empty()
		r.sound()
	})
}

// fleet is every kind of producer and worker on one queue.
type fleet struct {
	*room
	goVictim   *workerProcess
	nodeVictim *node
}

// enlist starts the workers: a Go and a Node process that are to die, and a Go
// process, a BullMQ 5 and a BullMQ 6 worker that live.
func (r *room) enlist(lock time.Duration) fleet {
	r.Helper()
	f := fleet{room: r, nodeVictim: startNode(r.T)}
	options := obj{"concurrency": 5, "drainDelay": 1, "lockDuration": lock.Milliseconds(), "stalledInterval": lock.Milliseconds()}
	f.goVictim = r.goProcess(childSpec{Name: "victim", Concurrency: 5, Lock: lock, Sweep: lock})
	r.goProcess(childSpec{Name: "survivor", Concurrency: 5, Lock: lock, Sweep: lock})
	r.nodeWorkerAt(f.nodeVictim, options)
	r.in(5).nodeWorker(options)
	r.in(6).nodeWorker(options)
	f.goVictim.await("ready")
	return f
}

// strike kills both victims with SIGKILL while they run jobs.
func (f fleet) strike() {
	f.goVictim.kill()
	f.nodeVictim.process.kill()
}

func TestAMixedFleetLosesNothingWhenWorkersAreKilled(t *testing.T) {
	newest(t, func(r *room) {
		const each = 200
		f := r.enlist(2 * time.Second)
		ids := []string{}
		items, batch := []queue.Item{}, []obj{}
		for i := range each {
			items = append(items, queue.Item{Name: "sleep", Payload: obj{"ms": 100 + i%100}, Options: plain()})
			batch = append(batch, obj{"name": "sleep", "data": obj{"ms": 100 + i%100}})
		}
		added, err := r.goQueue().AddBulk(r.Context(), items, queue.Bulk{})
		must(r, err)
		for _, a := range added {
			ids = append(ids, a.ID)
		}
		for _, major := range []int{5, 6} {
			for _, job := range r.in(major).nodeQueue().call("addBulk", batch).any().([]any) {
				ids = append(ids, job.(obj)["id"].(string))
			}
		}
		r.completed(each / 4)
		f.strike()
		r.eventually("all completed", func() bool { return len(r.members("completed")) == 3*each })
		ends := r.ends()
		for _, id := range ids {
			want(r, "ends of "+id, ends[id], []string{"completed"})
		}
		completed := r.members("completed")
		slices.Sort(completed)
		slices.Sort(ids)
		want(r, "completed", completed, ids)
		want(r, "failed", r.members("failed"), []string{})
		r.empty()
		r.sound()
		r.tellStalls()
	})
}

// tellStalls logs how many jobs the dead workers had.
func (r *room) tellStalls() {
	r.Helper()
	n := 0
	for _, e := range r.stream() {
		if e.event == "stalled" {
			n++
		}
	}
	if n == 0 {
		r.Error("the workers died without a job: the test has tested nothing")
	}
	r.Log(strconv.Itoa(n) + " jobs were taken back from dead workers")
}

// The jobs of a dead Go worker are run by Node workers alone too, when no Go
// process is left.
func TestNodeAloneFinishesWhatADeadGoWorkerLeft(t *testing.T) {
	eachMajor(t, func(r *room) {
		q, ids := r.goQueue(), []string{}
		for range 3 {
			ids = append(ids, r.add(q, "hold", obj{}, plain()))
		}
		c := r.goProcess(childSpec{Name: "victim", Concurrency: 3, Lock: time.Second, Sweep: time.Second})
		for _, id := range ids {
			c.await("holding " + id)
		}
		c.kill()
		n := r.nodeWorker(obj{"concurrency": 3, "lockDuration": 1000, "stalledInterval": 1000})
		for _, id := range ids {
			n.awaitHolding(id)
		}
		n.release()
		r.awaitNth("completed", "", 3)
		want(r, "ends", fmt.Sprint(len(r.ends())), "3")
		r.empty()
		r.sound()
	})
}
