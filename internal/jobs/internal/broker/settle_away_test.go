package broker_test

import (
	"testing"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
)

// What holds when the server was away for longer than the locks held.
func TestSettleAfterTheLocksRanOut(t *testing.T) {
	started := func(kind broker.Kind, ats int) broker.Outcome {
		o := outcome(kind, "a")
		o.Started = ats
		return o
	}
	ranOut := func(f *fixture) {
		f.active("t", "a")
		f.do("DEL Q:a:lock")
	}
	tellAll(t, "settle-away", []scenario{
		{
			name: "an outcome counts when nobody has taken the job since", given: ranOut,
			when: func(f *fixture) any { return f.settle(0, started(broker.Completed, 1)) },
		},
		{
			name: "a release counts too", given: ranOut,
			when: func(f *fixture) any { return f.settle(0, started(broker.Release, 1)) },
		},
		{
			name: "an outcome of an attempt that is not the latest is refused", given: func(f *fixture) {
				ranOut(f)
				f.do("HSET Q:a ats 2 stc 1")
			},
			when:  func(f *fixture) any { return f.settle(0, started(broker.Completed, 1)) },
			allow: invariant.Options{LostLocks: true},
		},
		{
			name: "an outcome is refused when the job was given back", given: func(f *fixture) {
				ranOut(f)
				f.do("LREM Q:active 1 a", "RPUSH Q:wait a", "ZADD Q:marker 0 0", "HSET Q:a stc 1")
			},
			when: func(f *fixture) any { return f.settle(0, started(broker.Completed, 1)) },
		},
		{
			name: "an outcome is refused when another has the job", given: func(f *fixture) {
				ranOut(f)
				f.do("SET Q:a:lock theirs PX 60000", "HSET Q:a stc 1")
			},
			when: func(f *fixture) any { return f.settle(0, started(broker.Completed, 1)) },
		},
	})
}

// A worker whose slots are all busy, or that stops, may have taken a marker.
func TestSettleThatWantsNothingGivesTheMarkerBack(t *testing.T) {
	popped := func(f *fixture) { f.do("DEL Q:marker") }
	tellAll(t, "settle-give-back", []scenario{
		{
			name: "for a job that waits", given: func(f *fixture) { f.add(newJob("a")); popped(f) },
			when: func(f *fixture) any { return f.settle(0) },
		},
		{
			name: "for a job that is delayed", given: func(f *fixture) { f.add(late("a", lease)); popped(f) },
			when: func(f *fixture) any { return f.settle(0) },
		},
		{
			name: "not when there is nothing", given: popped,
			when: func(f *fixture) any { return f.settle(0) },
		},
		{
			name: "not while paused", given: func(f *fixture) {
				f.add(newJob("a"), late("b", lease))
				f.do("HSET Q:meta paused 1", "DEL Q:marker")
			},
			when: func(f *fixture) any { return f.settle(0) },
		},
	})
}
