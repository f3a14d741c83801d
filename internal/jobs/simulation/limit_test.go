package simulation

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// halt is a limit that somebody forces upon the queue, as a Node service does:
// for some time no job is to start.
type halt struct {
	at, length time.Duration // no halt when length is 0
}

// halted is what is known of a halt that was done. When err is not nil it may
// have been.
type halted struct {
	call, at time.Time
	err      error
}

// drawLimit lets all pools of some plans start no more than so many jobs in a
// span of time.
func (p *plan) drawLimit(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "rate limited") > 0 {
		return
	}
	p.limit = jobs.RateLimit{
		Max:      rapid.IntRange(2, 8).Draw(t, "at most"),
		Duration: moment(t, "in", 100*time.Millisecond, time.Second),
	}
	if p.mood == stormy && rapid.Bool().Draw(t, "halts") {
		p.halt = halt{moment(t, "halt at", 0, 30*time.Second), moment(t, "halt for", 500*time.Millisecond, 8*time.Second)}
	}
}

// endless is a count that no limit allows, as Node stores it.
const endless = math.MaxInt64 >> 10

// stop forces the plan's halt upon the queue.
func (w *world) stop() {
	if w.plan.halt.length == 0 {
		return
	}
	w.at(w.plan.halt.at)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h := halted{call: time.Now()}
	h.err = w.overseer.Set(ctx, wire.NewKeys("", queueName).Limiter(), endless, w.plan.halt.length).Err()
	h.at = time.Now()
	w.halted = &h
}

// window is a span in which jobs start: when it was opened, and how many have
// started in it. The zero value is none.
type window struct {
	opened  time.Time
	started int
}

// next are the windows that a start can lead to, when the server's clock may have
// been set forward by so much. The engine lets keys expire a grain early or late.
func (v window) next(at time.Time, limit jobs.RateLimit, forward time.Duration) (to []window) {
	over := v.opened.Add(limit.Duration)
	if v.started > 0 && at.Before(over.Add(grain)) && v.started < limit.Max {
		to = append(to, window{v.opened, v.started + 1})
	}
	if v.started == 0 || !at.Before(over.Add(-forward-grain)) {
		to = append(to, window{at, 1})
	}
	return to
}

// overLimit: in whatever windows the server may have counted, none has more
// starts than the limit allows. A clock that is set back makes windows longer
// than anybody can tell.
func (w *world) overLimit([]*story) (broken []string) {
	if w.plan.limit.Max == 0 || w.ledger.setBack() {
		return nil
	}
	possible, before := []window{{}}, time.Time{}
	for _, e := range w.ledger.told {
		if e.event != jobs.EventActive {
			continue
		}
		if h := w.halted; h != nil && !before.After(h.at) && !e.at.Before(h.call) {
			possible = append(possible, window{}) // the halt overwrote what had been counted
		}
		if possible = w.counted(possible, e.at); len(possible) == 0 {
			return []string{fmt.Sprintf("limit: job %s started at %s, more than %d in %s", e.id, clock(e.at), w.plan.limit.Max, w.plan.limit.Duration)}
		}
		before = e.at
	}
	return nil
}

// counted are the windows, each once, that one of these can be after a start.
func (w *world) counted(possible []window, at time.Time) (after []window) {
	for _, v := range possible {
		for _, next := range v.next(at, w.plan.limit, w.ledger.forward(v.opened, at)) {
			if !slices.Contains(after, next) {
				after = append(after, next)
			}
		}
	}
	return after
}

// startsWhileHalted: nothing starts as long as a halt lasts.
func (w *world) startsWhileHalted([]*story) (broken []string) {
	h := w.halted
	if h == nil || h.err != nil {
		return nil
	}
	for _, e := range w.ledger.told {
		end := h.call.Add(w.plan.halt.length - w.ledger.forward(h.call, e.at) - grain)
		if e.event == jobs.EventActive && e.at.After(h.at) && e.at.Before(end) {
			broken = append(broken, fmt.Sprintf("halt: job %s started at %s, halted from %s to %s", e.id, clock(e.at), clock(h.at), clock(end)))
		}
	}
	return broken
}

// idle: as long as a job waits for a limit, others use up what it allows.
func (w *world) idle(stories []*story) (broken []string) {
	limit := w.plan.limit
	if w.plan.mood != prompt || limit.Max == 0 {
		return nil
	}
	for _, s := range stories {
		for i, due := range s.dues() {
			from := s.runs[i].from
			windows := int(from.Sub(due)/(limit.Duration+promptly)) - 1 // the first may have been in use
			if n := w.ledger.startsBetween(due, from); n < windows*limit.Max {
				broken = append(broken, fmt.Sprintf("idle: job %s was due at %s and started at %s, and only %d others meanwhile, by a limit of %d in %s",
					s.id, clock(due), clock(from), n, limit.Max, limit.Duration))
			}
		}
	}
	return broken
}

func (l *ledger) startsBetween(from, to time.Time) (n int) {
	for _, r := range l.runs {
		if !r.from.Before(from) && r.from.Before(to) {
			n++
		}
	}
	return n
}
