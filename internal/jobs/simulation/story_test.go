package simulation

import (
	"errors"
	"slices"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// story is all that the ledger has of one job.
type story struct {
	plan   *plan
	moment time.Time // by the server's clock, before which no run begins; zero is any
	job    *jobPlan
	id     string
	adds   []added
	runs   []*run // by their start
	leases []lease
	ends   []ended
	told   []told
	deeds  []deed
	ledger *ledger
	final  final
	stored bool // at the end
}

// stories sorts the ledger by job, in the order of the plan.
func (w *world) stories() []*story {
	byID := map[string]*story{}
	all := make([]*story, 0, len(w.plan.jobs))
	for _, a := range w.ledger.adds {
		s := byID[a.id]
		if s == nil {
			s = w.story(a)
			s.final, s.stored = w.finals[a.id]
			byID[a.id] = s
			all = append(all, s)
		}
		s.adds = append(s.adds, a)
	}
	w.ledger.tell(byID)
	return all
}

// story begins the story of a job that was added.
func (w *world) story(a added) *story {
	s := &story{plan: w.plan, id: a.id, ledger: w.ledger}
	switch a.job {
	case ofScheduler:
		s.job = &w.plan.schedule.job
		s.moment, _ = slotOf(a.id)
		return s
	case ofUnique:
		s.job = &w.plan.unique.job
		return s
	}
	s.job = &w.plan.jobs[a.job]
	if s.job.runAt > 0 {
		s.moment = w.began.Add(s.job.runAt)
	}
	return s
}

// tell gives every story what is its own.
func (l *ledger) tell(of map[string]*story) {
	for _, r := range l.runs {
		if s := of[r.id]; s != nil {
			s.runs = append(s.runs, r)
		}
	}
	for _, held := range l.leases {
		if s := of[held.JobID]; s != nil {
			s.leases = append(s.leases, held)
		}
	}
	for _, e := range l.ends {
		if s := of[e.id]; s != nil {
			s.ends = append(s.ends, e)
		}
	}
	for _, e := range l.told {
		if s := of[e.id]; s != nil {
			s.told = append(s.told, e)
		}
	}
	for _, d := range l.deeds {
		if s := of[d.id]; s != nil && d.what != pause && d.what != resume {
			s.deeds = append(s.deeds, d)
		}
	}
}

// acknowledged reports whether a producer was told that the job is stored.
func (s *story) acknowledged() bool {
	return slices.ContainsFunc(s.adds, func(a added) bool { return a.err == nil })
}

// touched reports whether an operator may have done one of these to the job.
func (s *story) touched(what ...string) bool {
	return slices.ContainsFunc(s.deeds, func(d deed) bool { return slices.Contains(what, d.what) && !d.refused() })
}

// refused reports a deed that was certainly not done.
func (d *deed) refused() bool {
	return d.err != nil && !errors.Is(d.err, jobs.ErrUnavailable)
}

// resent reports whether a call can have been sent more than once in a span of
// time: the queue waits so long, at least, before it sends again.
func resent(call, back time.Time) bool { return back.Sub(call) >= 25*time.Millisecond }

// retries are how often an operator certainly, and perhaps, ran the job again.
func (s *story) retries() (sure, perhaps int) {
	for _, d := range s.deeds {
		switch {
		case d.what != retry && d.what != anew || d.refused():
		case d.err == nil:
			sure++
		default:
			perhaps++
		}
	}
	return sure, perhaps
}

func (s *story) count(events ...jobs.EventType) (n int) {
	for _, e := range s.told {
		if slices.Contains(events, e.event) {
			n++
		}
	}
	return n
}

// first is when the stream first told an event of the job.
func (s *story) first(event jobs.EventType) (at time.Time, ok bool) {
	for _, e := range s.told {
		if e.event == event {
			return e.at, true
		}
	}
	return at, false
}

// end finds what became of a run, if its pool told.
func (s *story) end(r *run) (ended, bool) {
	for _, e := range s.ends {
		if e.process == r.process && e.started == r.started && !e.at.Before(r.from) {
			return e, true
		}
	}
	return ended{}, false
}

// held is until when a run's process knew the job to be its own, by the locks
// it was told of up to a moment. A clock that is set forward ends locks early.
func (s *story) held(r *run, at time.Time) time.Time {
	var until time.Time
	for _, l := range s.leases {
		if l.process == r.process && l.Attempt == r.started && !l.at.After(at) {
			until = later(until, l.Until.Add(-s.ledger.forward(l.sent, at)))
		}
	}
	return until
}

// shown is the latest that the server's clock showed in a span of time, at the
// end of which it may have been set back.
func (s *story) shown(from, to time.Time) (latest time.Time) {
	ahead := s.plan.skew
	for _, step := range s.ledger.steps {
		if step.at.After(to) {
			break
		}
		if !step.at.Before(from) {
			latest = later(latest, step.at.Add(ahead))
		}
		ahead += step.by
	}
	return later(latest, to.Add(ahead))
}

// over reports whether a run had come to its end, or had lost the job, before a
// moment.
func (s *story) over(r *run, at time.Time) bool {
	switch {
	case !r.to.IsZero() && !r.to.After(at):
		return true
	case !r.freed.IsZero() && !r.freed.After(at):
		return true
	}
	return !s.held(r, at).After(at.Add(grain))
}

// rest is how long the job waits after a run, by the plan.
func (s *story) rest(r *run, status worker.Status) time.Duration {
	does := s.job.attempt(r.attempt)
	switch {
	case status == worker.StatusSnoozed:
		return 500 * time.Millisecond
	case status != worker.StatusRetrying:
		return 0
	case does.how == asks && !does.overruns(s.job):
		return 300 * time.Millisecond
	}
	return s.job.options.Backoff.After(r.attempt, 0)
}
