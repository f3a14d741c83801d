package simulation

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// place is where a job is in the model. Whether it is delayed or waits for its
// turn makes no difference to what may happen next.
type place string

const (
	absent place = "absent"
	waits  place = "waits"
	active place = "active"
	done   place = "done"
)

// life is the model's state of one job.
type lifeState struct {
	place   place
	token   string // of the attempt, while active
	started int    // attempts so far
}

// move is one thing that was done to the job, as its doer saw it.
type move struct {
	what    string
	token   string
	started int
	place   place // where the job is then: of an outcome, or at the end
	existed bool  // the answer to an add
	again   bool  // the producer had sent this add before, so existed may be either
	answer  answer
}

type answer string

const (
	yes   answer = "yes"
	no    answer = "no"
	maybe answer = "maybe" // nobody heard the answer: it may have been done
)

// The steps.
const (
	adds      = "add"
	takes     = "take"
	renews    = "renew"
	finishes  = "finish"
	stalls    = "stall"
	retries   = "retry"
	restarts  = "retry anew"
	removes   = "remove"
	isAtLast  = "is at last"
	somewhere = place("")
)

// nobodys is the token of a take of which nobody heard.
const nobodys = "unheard"

// next is every state that the step, with its answer, can lead to; none when it
// is impossible.
func (s move) next(from lifeState) []lifeState {
	if s.answer == no {
		if s.what == finishes && from.place == active && from.token == s.token {
			return nil // it was refused what is its own
		}
		return []lifeState{from}
	}
	to := s.done(from)
	if s.answer == maybe {
		return append(to, from)
	}
	return to
}

func only(s lifeState) []lifeState { return []lifeState{s} }

// done is where the step leads when it is done.
func (s move) done(from lifeState) []lifeState {
	switch s.what {
	case adds:
		if from.place == absent && (!s.existed || s.again) {
			return only(lifeState{place: waits})
		}
		if from.place != absent && (s.existed || s.again || s.answer == maybe) {
			return only(from)
		}
	case takes:
		if from.place == waits && (s.started == 0 || s.started == from.started+1) {
			return only(lifeState{active, s.token, from.started + 1})
		}
	case renews:
		if from.place == active && from.token == s.token {
			return only(from)
		}
	case finishes:
		return s.finish(from)
	case stalls:
		if from.place == active {
			return only(lifeState{place: waits, started: from.started})
		}
	case retries, restarts:
		if from.place == done && s.what == retries {
			return only(lifeState{place: waits, started: from.started})
		}
		if from.place == done {
			return only(lifeState{place: waits})
		}
	case removes:
		if from.place != absent {
			return only(lifeState{place: absent})
		}
	case isAtLast:
		if from.place == s.place {
			return only(from)
		}
	}
	return nil
}

// finish: only the attempt that has the job can end it.
func (s move) finish(from lifeState) []lifeState {
	if from.place != active || from.token != s.token {
		return nil
	}
	there, again := lifeState{place: done, started: from.started}, lifeState{place: waits, started: from.started}
	switch s.place {
	case done:
		return only(there)
	case waits:
		return only(again)
	default:
		return []lifeState{there, again}
	}
}

// model is the life of one job for porcupine.
var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{lifeState{place: absent}} },
	Step: func(state, input, _ any) []any {
		var next []any
		for _, s := range input.(move).next(state.(lifeState)) {
			next = append(next, s)
		}
		return next
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}).ToModel()

// possible reports whether one job can have lived through these steps.
func possible(history []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, history, 10*time.Second)
}

// history is what happened to one job, as those who did it saw it.
type history []porcupine.Operation

// span adds a step that was asked for at call and answered at back; zero is never.
func (h *history) span(s move, call, back time.Time) {
	until := int64(math.MaxInt64)
	if !back.IsZero() {
		until = back.UnixNano()
	}
	*h = append(*h, porcupine.Operation{ClientId: len(*h), Input: s, Call: call.UnixNano(), Return: until})
}

// impossible: the steps make one life.
func (s *story) impossible() []string {
	if s.outOfSight() && s.count(jobs.EventAdded) > 1 {
		return nil // of two lives
	}
	h := s.history()
	switch possible(h) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return finding("has a history that takes too long to check: %d steps", len(h))
	}
	text := "has a history that no job can have:"
	for _, op := range h {
		back := "…"
		if op.Return != math.MaxInt64 {
			back = clock(time.Unix(0, op.Return))
		}
		text += fmt.Sprintf("\n      %s to %s %+v", clock(time.Unix(0, op.Call)), back, op.Input)
	}
	return finding("%s", text)
}

func (s *story) history() history {
	var h history
	for i, a := range s.adds {
		st := move{what: adds, existed: a.existed, again: i > 0 || s.outOfSight(), answer: yes}
		back := a.at
		if a.err != nil {
			st.answer, back = maybe, time.Time{}
		}
		h.span(st, a.call, back)
	}
	s.attempts(&h)
	s.unheard(&h)
	s.byHand(&h)
	s.inTheEnd(&h)
	return h
}

// attempts adds what pools saw of the locks they held.
func (s *story) attempts(h *history) {
	known := map[string]bool{}
	for _, l := range s.leases {
		what := renews
		if !known[l.Token] {
			what, known[l.Token] = takes, true
		}
		h.span(move{what: what, token: l.Token, started: l.Attempt, answer: yes}, l.sent, l.at)
		if what == takes {
			s.outcome(h, l)
		}
	}
}

// outcome adds how the attempt that a lock belongs to ended.
func (s *story) outcome(h *history, l lease) {
	st := move{what: finishes, token: l.Token, answer: maybe}
	call, back := l.at, time.Time{}
	for _, r := range s.runs {
		if r.process == l.process && r.started == l.Attempt && !r.from.Before(l.at) && r.freed.IsZero() && !r.to.IsZero() {
			call = r.to
			break
		}
	}
	for _, e := range s.ends {
		if e.process != l.process || e.started != l.Attempt || e.at.Before(call) {
			continue
		}
		back, st.answer, st.place = e.at, yes, waits
		switch e.status {
		case worker.StatusCompleted, worker.StatusFailed:
			st.place = done
		case worker.StatusLost:
			st.answer, st.place = no, somewhere
		}
		if e.unheard || s.job.keepsNothing() || resent(call, back) && (st.answer == no || s.mayBeGone()) {
			st.answer = maybe // of what was sent twice, the first sending may have been heard
		}
		break
	}
	h.span(st, call, back)
}

// unheard adds what only the stream told: that jobs were taken back, and taken
// by those who never heard of it.
func (s *story) unheard(h *history) {
	heard := s.heard()
	for i, e := range s.told {
		switch {
		case e.event == jobs.EventStalled:
			h.span(move{what: stalls, answer: yes}, e.at, e.at)
		case e.event == jobs.EventActive && !heard[i]:
			h.span(move{what: takes, token: nobodys, answer: yes}, e.at, e.at)
		}
	}
}

// heard are the entries of the stream that tell of a take whose answer arrived.
// A take counts the attempt, so the entries are numbered as the leases are,
// unless an operator has let the count begin anew: then it is the latest entry
// that the answer can have meant.
func (s *story) heard() map[int]bool {
	heard, known := map[int]bool{}, map[string]bool{}
	anew := s.touched(anew, remove)
	for _, l := range s.leases {
		if known[l.Token] {
			continue
		}
		known[l.Token] = true
		if i, ok := s.entryOf(l, heard, anew); ok {
			heard[i] = true
		}
	}
	return heard
}

func (s *story) entryOf(l lease, heard map[int]bool, anew bool) (entry int, ok bool) {
	number := 0
	for i, e := range s.told {
		if e.event != jobs.EventActive {
			continue
		}
		number++
		possible := !heard[i] && !e.at.Before(l.sent) && !e.at.After(l.at)
		if possible && (anew || number == l.Attempt) {
			entry, ok = i, true
		}
	}
	return entry, ok
}

func (s *story) byHand(h *history) {
	words := map[string]string{retry: retries, anew: restarts, remove: removes}
	for _, d := range s.deeds {
		what, matters := words[d.what]
		switch {
		case !matters || d.refused():
		case d.err == nil && d.what == remove && resent(d.call, d.at): // or it was gone before
			h.span(move{what: what, answer: maybe}, d.call, d.at)
		case d.err == nil:
			h.span(move{what: what, answer: yes}, d.call, d.at)
		default:
			h.span(move{what: what, answer: maybe}, d.call, time.Time{})
		}
	}
}

// inTheEnd adds what was found at the end, when nothing moved any more.
func (s *story) inTheEnd(h *history) {
	last := move{what: isAtLast, place: absent, answer: yes}
	outcome := s.lastOutcome()
	vanished := !s.stored && outcome.Finished() && s.job.vanishes(outcome)
	switch {
	case vanished && s.touched(remove):
		return // gone, one way or the other
	case vanished, s.stored && s.final.state.Finished():
		last.place = done
	case s.stored:
		last.place = waits
	}
	end := time.Unix(0, math.MaxInt64)
	h.span(last, end, end)
}
