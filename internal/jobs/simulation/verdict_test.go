package simulation

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// verdict is every promise that was broken, in words.
func (w *world) verdict() (broken []string) {
	for _, err := range w.broken {
		broken = append(broken, err.Error())
	}
	if w.quiet.IsZero() {
		broken = append(broken, fmt.Sprintf("stuck: jobs are left %s after everything was healed", patience))
	}
	for _, finding := range w.unsound {
		broken = append(broken, "keyspace: "+finding)
	}
	stories := w.stories()
	for _, s := range stories {
		for _, rule := range rules {
			for _, finding := range rule.broken(s) {
				broken = append(broken, fmt.Sprintf("%s: job %s %s", rule.name, s.id, finding))
			}
		}
	}
	for _, rule := range []func([]*story) []string{
		w.outOfOrder, w.torn, w.overLimit, w.startsWhileHalted, w.idle, w.offSchedule, w.notUnique,
	} {
		broken = append(broken, rule(stories)...)
	}
	return broken
}

// rules are the promises about each job.
var rules = []struct {
	name   string
	broken func(*story) []string
}{
	{"added once", (*story).addedOnce},
	{"lost", (*story).lost},
	{"accepted once", (*story).acceptedOnce},
	{"fate", (*story).otherFate},
	{"second start", (*story).secondStarts},
	{"recovered too soon", (*story).recoveredTooSoon},
	{"early", (*story).early},
	{"late", (*story).late},
	{"put off", (*story).notPutOff},
	{"rank", (*story).otherRank},
	{"deeds", (*story).oddDeeds},
	{"life", (*story).impossible},
}

func finding(format string, args ...any) []string { return []string{fmt.Sprintf(format, args...)} }

// addedOnce: one job for one id, and an honest answer.
func (s *story) addedOnce() []string {
	first := s.adds[0]
	switch n := s.count(jobs.EventAdded); {
	case s.outOfSight():
		return nil
	case n > 1 && !s.touched(remove): // what an operator removed, a stubborn producer adds again
		return finding("was added %d times", n)
	case first.err == nil && first.existed:
		return finding("was said to exist before it was added")
	case first.err != nil && s.plan.mood != stormy:
		return finding("was not added although nothing was wrong: %v", first.err)
	}
	return nil
}

// sight is how far, by the server's clock and before its first sending, an add
// looks back that is sent again under an id which the caller has given.
const sight = 5 * time.Second

// outOfSight reports a job, with an id of the producer's own or added anew under
// the one it had, that may be added by a call which cannot know of the one before:
// that was too long ago by the server's clock, which may have been put forward; or
// the job went, and what arrives is the only sending of a call that was given up.
func (s *story) outOfSight() bool {
	if !s.job.named && len(s.adds) == 1 {
		return false
	}
	if first := s.adds[0]; s.ledger.forward(first.call, first.at) > sight {
		return true
	}
	var before time.Time
	for _, e := range s.told {
		if e.event != jobs.EventAdded {
			continue
		}
		apart := e.at.Sub(before) + s.ledger.forward(before, e.at)
		if !before.IsZero() && s.mayBeGone() && (apart > sight || s.givenUp(e.at)) {
			return true
		}
		before = e.at
	}
	return false
}

// givenUp reports whether an add was given up that had begun by then.
func (s *story) givenUp(by time.Time) bool {
	return slices.ContainsFunc(s.adds, func(a added) bool { return a.err != nil && a.call.Before(by) })
}

// lost: what was acknowledged has an outcome in the end.
func (s *story) lost() []string {
	switch {
	case s.stored && !s.final.state.Finished():
		return finding("is %s in the end", s.final.state)
	case s.stored || !s.acknowledged() || s.touched(remove):
		return nil
	case s.count(jobs.EventCompleted, jobs.EventFailed) == 0:
		return finding("was acknowledged and has no outcome")
	case !s.job.vanishes(s.lastOutcome()):
		return finding("was to be kept and is gone")
	}
	return nil
}

func (s *story) lastOutcome() jobs.State {
	for _, e := range slices.Backward(s.told) {
		switch e.event {
		case jobs.EventCompleted:
			return jobs.Completed
		case jobs.EventFailed:
			return jobs.Failed
		}
	}
	return jobs.Unknown
}

// acceptedOnce: one outcome, and one more for each time that an operator ran
// the job again; no pool is told that another one counts.
func (s *story) acceptedOnce() []string {
	outcomes := s.count(jobs.EventCompleted, jobs.EventFailed)
	if s.outOfSight() && s.count(jobs.EventAdded) > 1 {
		return nil
	}
	sure, perhaps := s.retries()
	most, least := 1+sure+perhaps, 1+sure
	if s.touched(remove) || !s.acknowledged() && s.count(jobs.EventAdded) == 0 {
		least = 0
	}
	if outcomes < least || outcomes > most {
		return finding("has %d outcomes, wanted %d to %d", outcomes, least, most)
	}
	reported := 0
	for _, e := range s.ends {
		if e.status == worker.StatusCompleted || e.status == worker.StatusFailed {
			reported++
		}
	}
	if reported > outcomes && !s.mayBeGone() {
		return finding("has %d outcomes and pools were told of %d", outcomes, reported)
	}
	return nil
}

// mayBeGone reports a job whose record goes: an outcome of it that is sent again
// counts as the one that was heard, also when the job went otherwise.
func (s *story) mayBeGone() bool { return s.job.keepsNothing() || s.touched(remove) }

// otherFate: crashes, shutdowns and snoozes burn no attempt, so the job ends as
// its handler says.
func (s *story) otherFate() []string {
	if s.touched(retry, anew, remove) || s.count(jobs.EventAdded) == 0 || s.poisonous() {
		return nil
	}
	want := s.job.fate()
	if !s.stored {
		if got := s.lastOutcome(); got != want.state {
			return finding("ended as %s, wanted %s", got, want.state)
		}
		return nil
	}
	if got := (fate{s.final.state, s.final.job.AttemptsMade}); got != want {
		return finding("ended as %+v (%s), wanted %+v", got, s.final.job.FailedReason, want)
	}
	return nil
}

// poisonous reports a job that was taken back so often that it may have been
// quarantined.
func (s *story) poisonous() bool {
	return s.stored && strings.Contains(s.final.job.FailedReason, "quarantined") && s.count(jobs.EventStalled) >= 5
}

// secondStarts: no run begins before every earlier one has ended, or lost the job.
func (s *story) secondStarts() (broken []string) {
	for i, r := range s.runs {
		for _, before := range s.runs[:i] {
			if !s.over(before, r.from) {
				broken = append(broken, fmt.Sprintf("started on %s at %s while it was %s's until %s",
					r.process.name, clock(r.from), before.process.name, clock(s.held(before, r.from))))
			}
		}
	}
	return broken
}

// grain is how exactly the embedded engine lets keys expire, and some.
const grain = 10 * time.Millisecond

// recoveredTooSoon: a job is taken back only when its lock has run out. Whoever
// took it may not have heard so; then the lock began when the stream told it.
func (s *story) recoveredTooSoon() (broken []string) {
	var since time.Time
	for _, e := range s.told {
		switch e.event {
		case jobs.EventActive:
			since = e.at
		case jobs.EventStalled:
			until := since.Add(s.plan.lease - s.ledger.forward(since, e.at))
			for _, l := range s.leases {
				if !l.sent.Before(since) && l.at.Before(e.at) { // at the same instant it may be the next attempt's
					until = later(until, l.Until.Add(-s.ledger.forward(l.sent, e.at)))
				}
			}
			if e.at.Before(until.Add(-grain)) {
				broken = append(broken, fmt.Sprintf("was taken back at %s although it was locked until %s", clock(e.at), clock(until)))
			}
		}
	}
	return broken
}

// early: no start before the delay is over, nor before the rest after a failure.
func (s *story) early() (broken []string) {
	if s.touched(promote, delay, retry, anew) || len(s.runs) == 0 {
		return nil
	}
	added := s.adds[0].call
	if first := s.runs[0].from; s.shown(added, first).Before(s.moment.Add(-time.Millisecond)) {
		broken = append(broken, fmt.Sprintf("started at %s, when the server's clock was not yet at %s", clock(first), clock(s.moment)))
	}
	due := added.Add(s.job.options.Delay)
	if first := s.runs[0].from; first.Before(s.cautious(due, added, first)) {
		broken = append(broken, fmt.Sprintf("started at %s, due at %s", clock(first), clock(due)))
	}
	for i, r := range s.runs[1:] {
		before := s.runs[i]
		e, known := s.end(before)
		if !known || e.status == worker.StatusLost || s.mayBeGone() && resent(before.to, e.at) {
			continue
		}
		due := before.to.Add(s.rest(before, e.status))
		if r.from.Before(s.cautious(due, before.from, r.from)) && before.to.Before(r.from) {
			broken = append(broken, fmt.Sprintf("started again at %s, due at %s", clock(r.from), clock(due)))
		}
	}
	return broken
}

// cautious allows for whole milliseconds and for a clock that was set forward.
func (s *story) cautious(due, from, to time.Time) time.Time {
	return due.Add(-time.Millisecond - s.ledger.forward(from, to))
}

// promptly is how soon a job starts when a slot is free and nothing is wrong.
const promptly = 250 * time.Millisecond

// late: with a free slot and nothing wrong, a job starts when it is due. See
// idle for what a rate limit allows.
func (s *story) late() (broken []string) {
	if s.plan.mood != prompt || s.plan.limit.Max > 0 {
		return nil
	}
	for i, due := range s.dues() {
		if from := s.runs[i].from; from.After(due.Add(promptly)) {
			broken = append(broken, fmt.Sprintf("started at %s, due at %s", clock(from), clock(due)))
		}
	}
	return broken
}

// dues are the moments from which on each run of the job could begin, when
// nothing goes wrong.
func (s *story) dues() (all []time.Time) {
	due := later(s.adds[0].at.Add(s.job.options.Delay), s.moment.Add(-s.plan.skew))
	for _, r := range s.runs {
		all = append(all, due)
		e, _ := s.end(r)
		due = r.to.Add(s.rest(r, e.status))
	}
	return all
}

// oddDeeds: an operator gets one of the answers that are promised.
func (s *story) oddDeeds() (broken []string) {
	for _, d := range s.deeds {
		known := d.err == nil || slices.ContainsFunc([]error{jobs.ErrUnavailable, jobs.ErrNotFound, jobs.ErrNotInState, jobs.ErrLocked},
			func(target error) bool { return errors.Is(d.err, target) })
		if !known {
			broken = append(broken, fmt.Sprintf("%s: %v", d.what, d.err))
		}
	}
	return broken
}

// notPutOff: whoever puts a job off by hand is obeyed.
func (s *story) notPutOff() (broken []string) {
	if s.touched(promote, retry, anew, remove) || s.changes(delay) != 1 {
		return nil
	}
	for _, d := range s.deeds {
		if d.what != delay || d.err != nil {
			continue
		}
		due := d.call.Add(d.delay)
		for _, r := range s.runs {
			if r.from.After(d.at) && r.from.Before(s.cautious(due, d.call, r.from)) {
				broken = append(broken, fmt.Sprintf("started at %s, put off to %s", clock(r.from), clock(due)))
			}
		}
	}
	return broken
}

// changes are how many changes of a kind an operator may have made.
func (s *story) changes(what string) (n int) {
	for _, d := range s.deeds {
		if d.what == what && !d.refused() {
			n++
		}
	}
	return n
}

// otherRank: a job has the priority that it was given last. What was perhaps
// done, or sent twice, may have been done later than the rest.
func (s *story) otherRank() []string {
	if !s.stored || s.touched(remove) {
		return nil
	}
	last, perhaps := s.added(), map[int]bool{}
	for _, d := range s.deeds {
		if d.what != rerank || d.refused() {
			continue
		}
		if d.err != nil || resent(d.call, d.at) {
			perhaps[stored(d.priority)] = true
		}
		if d.err == nil {
			last = stored(d.priority)
		}
	}
	if got := s.final.job.Priority; got != last && !perhaps[got] {
		return finding("has priority %d in the end, and was given %d", got, last)
	}
	return nil
}

// outOfOrder: when all jobs wait before the first is taken, and one runs at a
// time, they start by priority, and within one in the order in which they were
// added, or came to it by a change.
func (w *world) outOfOrder(stories []*story) (broken []string) {
	if w.plan.mood != orderly {
		return nil
	}
	started := slices.DeleteFunc(slices.Clone(stories), func(s *story) bool { return len(s.runs) == 0 || s.putOff() })
	slices.SortStableFunc(started, func(a, b *story) int { return a.runs[0].number - b.runs[0].number })
	for i, s := range started[min(1, len(started)):] {
		if before := started[i]; before.stand().compare(s.stand()) > 0 {
			broken = append(broken, fmt.Sprintf("order: job %s (%+v) started before job %s (%+v)", before.id, before.stand(), s.id, s.stand()))
		}
	}
	return broken
}

// putOff reports a job that does not wait from the beginning.
func (s *story) putOff() bool { return s.job.options.Delay > 0 || s.job.runAt > 0 }

// stand is where a job stands in the line.
type stand struct {
	rank    int // 0 is the list, before all others
	changed int // the number of the deed that brought it there, or 0
	number  int // in the plan
}

func (s *story) stand() stand {
	at := stand{rank: s.added(), number: s.adds[0].job}
	for _, d := range s.deeds {
		if d.what == rerank && d.err == nil {
			at.rank, at.changed = stored(d.priority), d.number
		}
	}
	return at
}

func (a stand) compare(b stand) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.changed, b.changed), cmp.Compare(a.number, b.number))
}

// added is the priority with which the job was added, as it is stored. Our queue
// has one for those that say none, Node has not.
func (s *story) added() int {
	if s.adds[0].job < 0 {
		return stored(s.job.options.Priority)
	}
	return stored(cmp.Or(s.job.options.Priority, jobs.Normal))
}

// stored is a priority as it is stored: 0 for the list.
func stored(p jobs.Priority) int { return max(0, int(p)) }

// clock shows a moment of the run; a bubble's time begins with the year 2000.
func clock(t time.Time) string {
	return t.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Round(time.Microsecond).String()
}
