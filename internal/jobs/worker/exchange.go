package worker

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// exchange is where slots hand in outcomes and get jobs.
//
// A slot without a job is parked. Whoever makes a call to the broker is its leader
// and takes along the outcomes that have been left so far. When the leader has a
// job to run and there is reason for another call, a parked slot leads next; no
// goroutine stands between a slot and Redis.
//
// One call is under way at a time, so that what ends meanwhile travels together.
// Where there are slots enough, a second one may be: a full one, since then Redis
// works on the one while we deal out what the other has brought.
type exchange struct {
	settle  func(outcomes []*attempt, want int, heed bool) round
	refuse  func(a *attempt, err error) (again bool) // not accepted; again when it has another outcome
	begin   func(t broker.Taken) *attempt
	decline func(t broker.Taken) *attempt // its outcome hands the job back
	done    func(a *attempt)              // an outcome that Redis accepted
	alarm   *alarm
	full    int // outcomes that are worth a call beside another one
	most    int // calls under way at once, at most

	mu       sync.Mutex
	left     []*attempt // outcomes that wait for the next call
	parked   []*seat    // slots without a job, the latest last
	calls    int        // under way, each with a leader, and those handed on to one
	asked    int        // jobs that the calls under way want
	hungry   bool       // a fetch may find something
	owed     bool       // we took the marker and may have no slot for what it told of: it must be set again
	unheeded int        // calls until the next one that sets the marker again if work is left
	stopping bool
	heldOff  time.Time // no fetch before: a rate limit holds, or Redis answered nonsense

	// idle tells the listener that a slot is free and a fetch found nothing.
	idle chan struct{}
}

// round is the answer to one call, by the pool's own clock.
type round struct {
	results []error        // per outcome
	taken   []broker.Taken // jobs that are ours now
	more    bool           // a fetch at once may find more
	due     time.Time      // when the next delayed job is due; zero without any
	holdOff time.Time      // no fetch before; zero is no bound
}

// seat is where a slot waits. The channel holds one message, since only the
// leader sends and a seat that got one is no longer parked.
type seat struct {
	messages chan message
	leads    bool // a call, or is about to
}

type message struct {
	job  *attempt
	lead bool // make the next call; the seat stays parked
	stop bool
}

func newSeat() *seat { return &seat{messages: make(chan message, 1)} }

// enoughForTwo is how many slots make a second call at a time worth while: half of
// them in each. With ten, twice five outcomes drain a third faster than ten at
// once, since Redis need not wait for us; with five, calls of two or three cost it
// a fifth more.
const enoughForTwo = 8

func newExchange(slots int) *exchange {
	x := &exchange{hungry: true, idle: make(chan struct{}, 1), full: broker.MaxBatch, most: 1}
	if slots >= enoughForTwo {
		x.full, x.most = min(broker.MaxBatch, (slots+1)/2), 2
	}
	return x
}

// next hands in the outcome of the slot's last job, if it had one, and returns
// its next job, or nil when the slot is to end.
func (x *exchange) next(s *seat, ended *attempt) *attempt {
	if !x.park(s, ended) {
		return nil
	}
	for {
		switch m := <-s.messages; {
		case m.stop:
			return nil
		case m.lead:
			x.lead(s)
		default:
			return m.job
		}
	}
}

// park reports false when the slot has nothing left to do.
func (x *exchange) park(s *seat, ended *attempt) bool {
	x.mu.Lock()
	if ended != nil {
		x.left = append(x.left, ended)
	} else if x.stopping {
		x.mu.Unlock()
		return false
	}
	x.parked = append(x.parked, s)
	if !x.mayCall() || !x.reason() {
		x.tellIdle()
		x.mu.Unlock()
		return true
	}
	x.calls++
	s.leads = true
	x.mu.Unlock()
	x.lead(s)
	return true
}

// mayCall reports whether a call may begin beside those that are under way.
// Callers hold mu.
func (x *exchange) mayCall() bool {
	return x.calls == 0 || x.calls < x.most && len(x.left) >= x.full
}

// wake says that there may be work: the marker was set, a delayed job is due, or
// it is time to look.
func (x *exchange) wake() {
	x.mu.Lock()
	x.hungry = true
	x.unheeded = 0
	x.owed = x.calls > 0 || len(x.parked) == 0 // what is under way may fill the free slots
	if x.calls > 0 || !x.reason() {
		x.remember()
		x.mu.Unlock()
		return
	}
	x.calls++
	x.mu.Unlock()
	x.lead(nil)
}

// remember sets the alarm for a hold-off that is still in force: it may have
// rung for something that was due before.
func (x *exchange) remember() {
	if time.Now().Before(x.heldOff) {
		x.alarm.set(x.heldOff)
	}
}

// reason reports whether a call would do something. Callers hold mu.
func (x *exchange) reason() bool {
	if len(x.left) > 0 {
		return true
	}
	return x.hungry && !x.stopping && (x.owed || len(x.parked) > x.asked) && !time.Now().Before(x.heldOff)
}

// lead makes calls as long as there is reason, and until the leader has a job of
// its own; then a parked slot goes on. s is nil for a leader that is no slot.
func (x *exchange) lead(s *seat) {
	for {
		x.linger()
		outcomes, want, heed := x.prepare()
		if !x.apply(s, outcomes, want, x.settle(outcomes, want, heed)) {
			return
		}
	}
}

// linger lets jobs that end in no time at all end before the call, not just after
// it: it gives way to them as long as outcomes come in and there is room for more.
func (x *exchange) linger() {
	for before, left := -1, x.waiting(); left > before && left < x.full; {
		runtime.Gosched()
		before, left = left, x.waiting()
	}
}

// waiting is how many outcomes wait for the next call.
func (x *exchange) waiting() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.left)
}

// prepare takes what the next call carries. It uses up hunger before the call:
// what is woken while the call is under way must not be forgotten.
func (x *exchange) prepare() (outcomes []*attempt, want int, heed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	heed = x.heed()
	limit := x.full
	if x.calls > 1 {
		limit = broker.MaxBatch // the other half is under way
	}
	n := min(len(x.left), limit)
	outcomes = x.left[:n:n]
	x.left = x.left[n:]
	if len(x.left) == 0 {
		x.left = nil
	}
	if x.mayCall() {
		x.handOver()
	}
	x.owed = false
	if x.stopping || time.Now().Before(x.heldOff) {
		return outcomes, 0, heed
	}
	x.hungry = false
	want = min(len(x.parked)-x.asked, broker.MaxBatch)
	if n > 0 {
		want = min(want, limit)
	}
	x.asked += want
	return outcomes, want, heed
}

// heedEvery is how many calls share one look at the marker. The worker that took
// it sets it again itself, unless it dies in between; the others are there for
// that, and the looks of the idle.
const heedEvery = 16

// heed reports whether the next call has to look at the marker. Callers hold mu.
func (x *exchange) heed() bool {
	due := x.unheeded == 0 || x.stopping
	if due {
		x.unheeded = heedEvery
	}
	x.unheeded--
	return due
}

// apply deals out what a call brought and reports whether the leader goes on.
func (x *exchange) apply(s *seat, outcomes []*attempt, want int, r round) bool {
	again := x.conclude(outcomes, r.results)
	goesOn, seats := x.share(s, again, want, r)
	for i, seat := range seats {
		seat.messages <- message{job: x.begin(r.taken[i])}
	}
	return goesOn
}

// share decides who gets the jobs that a call brought, in their order, and whether
// the leader makes the next call. The jobs are dealt out afterwards: slots that
// are done with theirs at once would only wait for each other here.
func (x *exchange) share(s *seat, again []*attempt, want int, r round) (goesOn bool, seats []*seat) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left = append(x.left, again...)
	x.asked -= want
	seats = x.seatsFor(s, r.taken)
	if r.more || want > 0 && len(r.taken) == want {
		x.hungry = true
	}
	if r.holdOff.After(x.heldOff) {
		x.heldOff = r.holdOff
	}
	x.setAlarm(r)
	if x.stopping && x.calls == 1 {
		x.sendHome()
	}
	return x.goOn(s), seats
}

// conclude tells of outcomes and returns the attempts that have another to send.
func (x *exchange) conclude(outcomes []*attempt, results []error) (again []*attempt) {
	for i, a := range outcomes {
		if err := results[i]; err == nil {
			x.done(a)
		} else if x.refuse(a, err) {
			again = append(again, a)
		}
	}
	return again
}

// seatsFor finds a slot for each job, in their order: the leader if it has none,
// since it need not be woken, then those that were parked last. Where more jobs
// came than were asked for, the last ones are not ours to keep. Callers hold mu.
func (x *exchange) seatsFor(s *seat, taken []broker.Taken) []*seat {
	n := min(len(taken), len(x.parked))
	seats := make([]*seat, n)
	for i := range seats {
		seats[i] = x.unpark(x.nextOf(s))
	}
	for _, t := range taken[n:] {
		x.left = append(x.left, x.decline(t))
	}
	return seats
}

// follower is the place of the slot that was parked last and leads no call, or
// -1. Callers hold mu.
func (x *exchange) follower() int {
	for i, s := range slices.Backward(x.parked) {
		if !s.leads {
			return i
		}
	}
	return -1
}

// nextOf is the place of the slot that gets the next job. Callers hold mu.
func (x *exchange) nextOf(leader *seat) int {
	if i := slices.Index(x.parked, leader); i >= 0 {
		return i
	}
	if i := x.follower(); i >= 0 {
		return i
	}
	return len(x.parked) - 1 // the leader of the other call begins it afterwards
}

func (x *exchange) unpark(i int) *seat {
	s := x.parked[i]
	x.parked = slices.Delete(x.parked, i, i+1)
	return s
}

func (x *exchange) setAlarm(r round) {
	if !r.due.IsZero() {
		x.alarm.set(r.due)
	}
	if !r.holdOff.IsZero() {
		x.hungry = true
		x.alarm.set(r.holdOff)
	}
}

// goOn decides whether the leader makes the next call. If it has a job to run,
// and there is reason for a call, a parked slot makes it.
func (x *exchange) goOn(s *seat) bool {
	if x.reason() && (x.calls == 1 || len(x.left) >= x.full) {
		if len(x.parked) == 0 || slices.Contains(x.parked, s) {
			return true // the marker that we owe, or a leader without a job
		}
		x.handOver()
	}
	x.calls--
	x.release(s)
	x.tellIdle()
	return false
}

// handOver has a parked slot make a call, if one leads none yet. Callers hold mu.
func (x *exchange) handOver() {
	if i := x.follower(); i >= 0 {
		x.calls++
		x.parked[i].leads = true
		x.parked[i].messages <- message{lead: true}
	}
}

// release makes a leader a slot like others. s is nil for one that is no slot.
func (x *exchange) release(s *seat) {
	if s != nil {
		s.leads = false
	}
}

// sendHome ends the slots that have no outcome left to send.
func (x *exchange) sendHome() {
	if len(x.left) > 0 {
		return
	}
	for _, s := range x.parked {
		s.messages <- message{stop: true}
	}
	x.parked = nil
}

func (x *exchange) tellIdle() {
	if x.calls > 0 || x.hungry || x.stopping || len(x.parked) == 0 {
		return
	}
	select {
	case x.idle <- struct{}{}:
	default:
	}
}

// stop ends fetching: parked slots end now, the others when their job does.
func (x *exchange) stop() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stopping = true
	if x.calls == 0 {
		x.sendHome()
	}
}

// alarm wakes the exchange at the earliest moment it was set to.
type alarm struct {
	mu    sync.Mutex
	at    time.Time
	timer *time.Timer
}

func newAlarm() *alarm {
	a := &alarm{timer: time.NewTimer(time.Hour)}
	a.timer.Stop()
	return a
}

func (a *alarm) set(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsZero() || at.Before(a.at) {
		a.at = at
		a.timer.Reset(time.Until(at))
	}
}

// run calls ring at each moment the alarm was set to, until ctx ends.
func (a *alarm) run(ctx context.Context, ring func()) {
	defer a.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.timer.C:
			a.mu.Lock()
			a.at = time.Time{}
			a.mu.Unlock()
			ring()
		}
	}
}
