package interop_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
)

// family is a flow that Node added: a parent, and children in other queues.
type family struct {
	*room // of the parent
	kids  *room
	id    string
	q     *object // the parent's queue
}

// flow adds a parent with these options and its children, which have their ids in
// their options.
func (r *room) flow(parent obj, children ...obj) family {
	r.Helper()
	return r.flowNamed("echo", parent, children...)
}

// flowNamed is flow with a parent that does what its name says.
func (r *room) flowNamed(name string, parent obj, children ...obj) family {
	r.Helper()
	f := family{room: r, kids: r.other("kids"), id: "parent", q: r.nodeQueue()}
	for _, child := range children {
		if child["queueName"] == nil {
			child["queueName"] = f.kids.queue
		}
	}
	opts := obj{"jobId": f.id}
	for name, v := range parent {
		opts[name] = v
	}
	r.create("FlowProducer", r.options(nil)).call("add", obj{
		"name": name, "queueName": r.queue, "data": obj{}, "opts": opts, "children": children,
	})
	return f
}

func child(id, name string, more obj) obj {
	opts := obj{"jobId": id}
	for name, v := range more {
		opts[name] = v
	}
	return obj{"name": name, "data": obj{"of": id}, "opts": opts}
}

// key is a child's full key.
func (f family) key(id string) string { return f.kids.key(id) }

// set is a set, a hash or a zset below the parent, as JSON-like text.
func (f family) below(suffix string) map[string]string {
	f.Helper()
	key := f.room.key(f.id + ":" + suffix)
	got := map[string]string{}
	switch suffix {
	case "dependencies":
		for _, member := range f.redis.SMembers(f.Context(), key).Val() {
			got[member] = ""
		}
	case "unsuccessful":
		for _, member := range f.redis.ZRange(f.Context(), key, 0, -1).Val() {
			got[member] = ""
		}
	default:
		return f.redis.HGetAll(f.Context(), key).Val()
	}
	return got
}

func (f family) sound() {
	f.Helper()
	f.room.sound()
	f.kids.sound()
}

func TestCheck70_ChildrenOfBothSides(t *testing.T) {
	eachMajor(t, func(r *room) {
		theirs := child("n", "echo", nil)
		theirs["queueName"] = "node-kids"
		f := r.flow(nil, theirs, child("g", "echo", nil))
		first := r.add(r.goQueue(), "echo", obj{}, plain())
		nodeKids := r.other("node-kids")
		nodeKids.nodeWorker(nil)
		nodeKids.awaitEvent("completed", "n")
		want(r, "state", r.states(f.q, f.id), both(jobs.WaitingChildren))
		want(r, "pending", f.below("dependencies"), map[string]string{f.key("g"): ""})
		f.kids.goWorker(keeping())
		want(r, "event", r.awaitEvent("waiting", f.id).String(), "waiting{parent prev=waiting-children}")
		processed := map[string]string{f.key("g"): `{"of":"g"}`, nodeKids.key("n"): `{"of":"n"}`}
		want(r, "processed", f.below("processed"), processed)
		want(r, "wait", r.list("wait"), []string{first, f.id})
		want[any](r, "children's values", f.q.job(f.id, "getChildrenValues").any(), obj{
			f.key("g"): obj{"of": "g"}, nodeKids.key("n"): obj{"of": "n"},
		})
		f.sound()
		r.goWorker(keeping())
		r.awaitEvent("completed", f.id)
		f.sound()
	})
}

func TestCheck71_AChildThatFailsItsParent(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("bad", "fail", obj{"failParentOnFailure": true}), child("slow", "hold", nil))
		w := f.kids.goWorker(keeping())
		f.kids.awaitEvent("failed", "bad")
		reason := fmt.Sprintf("child %s failed", f.key("bad"))
		want(r, "unsuccessful", f.below("unsuccessful"), map[string]string{f.key("bad"): ""})
		want(r, "deferred failure", r.field(f.id, "defa"), reason)
		want(r, "wait", r.list("wait"), []string{f.id})
		want(r, "event", r.awaitEvent("waiting", f.id).String(), "waiting{parent prev=waiting-children}")
		r.goWorker(keeping())
		r.awaitEvent("failed", f.id)
		job := f.q.job(f.id, "")
		want(r, "reason", job.text("failedReason"), reason)
		want(r, "attempts", job.number("attemptsMade"), 1)
		want(r, "state", r.states(f.q, f.id), both(jobs.Failed))
		w.awaitHolding("slow")
		w.release()
		f.kids.awaitEvent("completed", "slow")
		f.sound()
	})
}

// The failure climbs: the child's flag fails the parent, whose own flag fails the
// grandparent.
func TestCheck71_AFailureClimbsThreeGenerations(t *testing.T) {
	eachMajor(t, func(r *room) {
		middle := child("middle", "echo", obj{"failParentOnFailure": true})
		grandchild := child("bad", "fail", obj{"failParentOnFailure": true})
		grandchild["queueName"] = "grandkids"
		middle["children"] = []obj{grandchild}
		f := r.flow(nil, middle)
		r.other("grandkids").goWorker(keeping())
		f.kids.goWorker(keeping())
		r.goWorker(keeping())
		r.awaitEvent("failed", f.id)
		want(r, "reason", r.field(f.id, "failedReason"), fmt.Sprintf("child %s failed", f.key("middle")))
		f.sound()
	})
}

func TestCheck72_AChildWhoseFailureIsIgnored(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("bad", "fail", obj{"ignoreDependencyOnFailure": true}), child("good", "hold", nil))
		w := f.kids.goWorker(keeping())
		f.kids.awaitEvent("failed", "bad")
		w.awaitHolding("good")
		want(r, "failed", f.below("failed"), map[string]string{f.key("bad"): "boom 0"})
		want(r, "state", r.states(f.q, f.id), both(jobs.WaitingChildren))
		want[any](r, "Node's view", f.q.job(f.id, "getIgnoredChildrenFailures").any(), obj{f.key("bad"): "boom 0"})
		w.release()
		r.awaitEvent("waiting", f.id)
		f.sound()
		r.goWorker(keeping())
		r.awaitEvent("completed", f.id)
	})
}

func TestCheck72_AChildThatIsForgottenWhenItFails(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("bad", "fail", obj{"removeDependencyOnFailure": true}))
		f.kids.goWorker(keeping())
		r.awaitEvent("waiting", f.id)
		want(r, "failed", f.below("failed"), map[string]string{})
		want(r, "pending", f.below("dependencies"), map[string]string{})
		f.sound()
	})
}

func TestCheck72_AChildWithoutAFlagKeepsItsParentWaiting(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("bad", "fail", nil))
		f.kids.goWorker(keeping())
		f.kids.awaitEvent("failed", "bad")
		want(r, "state", r.states(f.q, f.id), both(jobs.WaitingChildren))
		want(r, "pending", f.below("dependencies"), map[string]string{f.key("bad"): ""})
		f.sound()
	})
}

// The flags speak of the final failure: a retry is none.
func TestCheck72_ARetryLeavesTheParentAlone(t *testing.T) {
	eachMajor(t, func(r *room) {
		bad := child("bad", "fail", obj{"failParentOnFailure": true, "attempts": 2})
		bad["data"] = obj{"times": 1}
		f := r.flow(nil, bad)
		f.kids.goWorker(keeping())
		r.awaitEvent("waiting", f.id)
		want(r, "processed", f.below("processed"), map[string]string{f.key("bad"): "1"})
		want(r, "deferred failure", r.field(f.id, "defa"), "")
		f.sound()
	})
}

func TestCheck73_AChildThatLetsItsParentContinue(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("bad", "fail", obj{"continueParentOnFailure": true}), child("slow", "hold", nil))
		two := keeping()
		two.Concurrency = 3
		w := f.kids.goWorker(two)
		w.awaitHolding("slow")
		want(r, "event", r.awaitEvent("waiting", f.id).String(), "waiting{parent prev=waiting-children}")
		want(r, "failed", f.below("failed"), map[string]string{f.key("bad"): "boom 0"})
		want(r, "pending", f.below("dependencies"), map[string]string{f.key("slow"): ""})
		f.sound()

		// It cannot complete while a child pends: Node fails it, and so does Go.
		r.goWorker(keeping())
		r.awaitEvent("failed", f.id)
		twin := r.other("twins")
		t := twin.flow(nil, child("bad2", "fail", obj{"continueParentOnFailure": true}), child("slow2", "hold", nil))
		twin.nodeWorker(nil)
		twin.awaitEvent("failed", t.id)
		want(r, "attempts, as Node's", r.field(f.id, "atm"), twin.field(t.id, "atm"))
		want(r, "state", r.states(f.q, f.id), both(jobs.Failed))
		w.release()
	})
}

// A parent that runs already cannot complete when a child fails it meanwhile, and
// has no further attempt: on both sides.
func TestCheck73_AChildFailsItsParentWhileThatRuns(t *testing.T) {
	eachMajor(t, func(r *room) {
		for _, side := range []string{"go", "node"} {
			at := r.other(side)
			f := at.flowNamed("hold", obj{"attempts": 3},
				child(side+"-first", "fail", obj{"continueParentOnFailure": true}),
				child(side+"-second", "fail", obj{"failParentOnFailure": true, "delay": 3_600_000}))
			f.kids.goWorker(keeping())
			var hold interface {
				awaitHolding(id string)
				release()
			}
			if side == "go" {
				hold = at.goWorker(keeping())
			} else {
				hold = at.nodeWorker(nil)
			}
			hold.awaitHolding(f.id)
			must(r, f.kids.admin().Promote(r.Context(), side+"-second"))
			f.kids.awaitEvent("failed", side+"-second")
			hold.release()
			at.awaitEvent("failed", f.id)
			want(r, "attempts on "+side, at.field(f.id, "atm"), "1")
			want(r, "state on "+side, at.states(f.q, f.id), both(jobs.Failed))
			at.sound()
		}
	})
}

// With an attempt left, a parent that completed too early tries again.
func TestCheck73_AParentThatCameTooEarlyRetries(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(obj{"attempts": 2, "backoff": obj{"type": "fixed", "delay": 3_600_000}},
			child("bad", "fail", obj{"continueParentOnFailure": true}), child("slow", "hold", nil))
		two := keeping()
		two.Concurrency = 2
		w := f.kids.goWorker(two)
		w.awaitHolding("slow")
		r.goWorker(keeping())
		r.awaitEvent("delayed", f.id)
		want(r, "attempts", r.field(f.id, "atm"), "1")
		w.release()
		f.kids.awaitEvent("completed", "slow")
		must(r, r.admin().Promote(r.Context(), f.id))
		r.awaitEvent("completed", f.id)
		f.sound()
	})
}

func TestCheck74_AReleasedParentKeepsItsPriority(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(obj{"priority": 2}, child("c", "echo", nil))
		f.kids.goWorker(keeping())
		r.awaitEvent("waiting", f.id)
		want(r, "score", r.zset("prioritized"), []string{fmt.Sprintf("parent=%d", 2<<32+1)})
		f.sound()
	})
}

func TestCheck74_AReleasedParentWaitsForItsDelay(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(obj{"delay": 3000}, child("c", "echo", nil))
		f.kids.goWorker(keeping())
		f.kids.awaitEvent("completed", "c")
		done, err := strconv.ParseInt(f.kids.field("c", "finishedOn"), 10, 64)
		must(r, err)
		want(r, "due", r.awaitEvent("delayed", f.id).fields["delay"], fmt.Sprint(done+3000))
		want(r, "score", r.score("delayed", f.id), float64((done+3000)*4096))
		want(r, "marker", r.score("marker", "1"), float64(done+3000))
		f.sound()
	})
}

func TestCheck75_GoRemovesTheLastPendingChild(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("c", "echo", nil))
		must(r, f.kids.admin().Remove(r.Context(), "c", false))
		want(r, "event", r.awaitEvent("waiting", f.id).String(), "waiting{parent prev=waiting-children}")
		want(r, "wait", r.list("wait"), []string{f.id})
		f.sound()
	})
}

func TestCheck75_GoRemovesAFlow(t *testing.T) {
	eachMajor(t, func(r *room) {
		f := r.flow(nil, child("c1", "echo", nil), child("c2", "echo", nil))
		must(r, r.admin().Remove(r.Context(), f.id, true))
		want(r, "left", []bool{r.exists(f.id), f.kids.exists("c1"), f.kids.exists("c2")}, make([]bool, 3))
		want(r, "event", f.kids.awaitEvent("removed", "c1").fields["prev"], "wait")
		f.sound()
	})
}

func TestCheck76_AChildThatGoCompletedBefore(t *testing.T) {
	eachMajor(t, func(r *room) {
		kids := r.other("kids")
		o := plain()
		o.ID = "early"
		kids.add(kids.goQueue(), "echo", obj{"n": 1}, o)
		kids.goWorker(keeping())
		kids.awaitEvent("completed", "early")
		f := r.flow(nil, child("early", "echo", nil))
		want(r, "processed", f.below("processed"), map[string]string{f.key("early"): `{"n":1}`})
		want(r, "wait", r.list("wait"), []string{f.id})
		want(r, "parent", kids.field("early", "parentKey"), r.key(f.id))
		kids.awaitEvent("duplicated", "early")
		f.sound()
	})
}

func TestCheck77_GoRetriesAFailedChild(t *testing.T) {
	eachMajor(t, func(r *room) {
		bad := child("bad", "fail", obj{"failParentOnFailure": true})
		bad["data"] = obj{"times": 1}
		f := r.flow(nil, bad)
		w := f.kids.goWorker(keeping())
		f.kids.awaitEvent("failed", "bad")
		w.pool.Stop()
		must(r, f.kids.admin().Retry(r.Context(), "bad", admin.Retry{}))
		want(r, "unsuccessful", f.below("unsuccessful"), map[string]string{})
		want(r, "pending", f.below("dependencies"), map[string]string{f.key("bad"): ""})
		f.kids.goWorker(keeping())
		f.kids.awaitEvent("completed", "bad")
		want(r, "processed", f.below("processed"), map[string]string{f.key("bad"): "1"})
	})
}

func TestCheck77_NodeRetriesAChildThatGoFailed(t *testing.T) {
	eachMajor(t, func(r *room) {
		bad := child("bad", "fail", obj{"ignoreDependencyOnFailure": true})
		bad["data"] = obj{"times": 1}
		f := r.flow(nil, bad, child("slow", "echo", obj{"delay": time.Hour.Milliseconds()}))
		f.kids.goWorker(keeping())
		f.kids.awaitEvent("failed", "bad")
		want(r, "failed", len(f.below("failed")), 1)
		f.kids.nodeQueue().job("bad", "retry")
		f.kids.awaitEvent("completed", "bad")
		want(r, "failed", f.below("failed"), map[string]string{})
		want(r, "processed", f.below("processed"), map[string]string{f.key("bad"): "1"})
		f.sound()
	})
}
