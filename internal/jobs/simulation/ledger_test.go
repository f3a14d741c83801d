package simulation

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/worker"
)

// ledger is what is known of a run from outside of the product: what producers,
// handlers, operators and observers of pools saw, and what the event stream
// told. The end of a process ends its entries too.
type ledger struct {
	mu     sync.Mutex
	adds   []added
	runs   []*run
	leases []lease
	ends   []ended
	deeds  []deed
	told   []told
	steps  []stepped
	sends  map[string]int // snoozes of a job so far
}

// added is one call of a producer.
type added struct {
	job      int
	id       string
	call, at time.Time // sent, answered
	existed  bool
	err      error
}

// run is a handler's work on one attempt.
type run struct {
	process  *process
	id       string
	attempt  int       // from 1, as the handler sees it
	started  int       // attempts started, this one included: names the run
	number   int       // in the order of their starts, over all jobs
	from, to time.Time // to is zero while it runs
	freed    time.Time // when its pool gave it up at a shutdown, or zero
}

// lease is what a pool was told of a lock: it holds until then at least.
type lease struct {
	process *process
	worker.Lease
	sent, at time.Time
}

// ended is what a pool told of an attempt's outcome.
type ended struct {
	process *process
	id      string
	started int
	status  worker.Status
	at      time.Time
	unheard bool // lost because nobody answered: Redis may have taken the outcome
}

// deed is what an operator did.
type deed struct {
	act
	number   int // from 1, in their order
	id       string
	call, at time.Time
	err      error
}

// told is one entry of the event stream, at the moment when it was written.
type told struct {
	at    time.Time
	event jobs.EventType
	id    string
	prev  string
	other string // the job that was turned away for this one
	kept  bool   // it is to be added later
}

// stepped is when the server's clock was set.
type stepped struct {
	at time.Time
	by time.Duration
}

func (l *ledger) add(a added) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adds = append(l.adds, a)
}

// Jobs that are no producer's of the plan have these numbers.
const (
	ofScheduler = -1 - iota
	ofUnique
)

// admitForeign books what Node added as added when the stream told so.
func (l *ledger) admitForeign() {
	for _, e := range l.told {
		if e.event != jobs.EventAdded {
			continue
		}
		if _, run := slotOf(e.id); run {
			l.adds = append(l.adds, added{job: ofScheduler, id: e.id, call: e.at, at: e.at})
		}
		if isUnique(e.id) {
			l.adds = append(l.adds, added{job: ofUnique, id: e.id, call: e.at, at: e.at})
		}
	}
}

// idOf is the id under which a job of the plan was added.
func (l *ledger) idOf(job int) (id string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.adds {
		if a.job == job {
			return a.id, true
		}
	}
	return "", false
}

func (l *ledger) did(d deed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.number = len(l.deeds) + 1
	l.deeds = append(l.deeds, d)
}

func (l *ledger) stepped(by time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, stepped{time.Now(), by})
}

// forward is by how much the server's clock was set forward in a span of time.
func (l *ledger) forward(from, to time.Time) (sum time.Duration) {
	for _, step := range l.steps {
		if step.by > 0 && !step.at.Before(from) && !step.at.After(to) {
			sum += step.by
		}
	}
	return sum
}

func (l *ledger) setBack() bool {
	return slices.ContainsFunc(l.steps, func(step stepped) bool { return step.by < 0 })
}

// begin notes the start of a run and tells how often the job was put off before.
func (l *ledger) begin(p *process, task *worker.Task) (r *run, snoozed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r = &run{process: p, id: task.ID, attempt: task.Attempt, started: task.AttemptsStarted, from: time.Now()}
	if r.number = len(l.runs); !p.dead {
		l.runs = append(l.runs, r)
	}
	return r, l.sends[task.ID]
}

func (l *ledger) end(r *run, snoozed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.process.dead {
		return
	}
	r.to = time.Now()
	if snoozed {
		l.sends[r.id]++
	}
}

func (l *ledger) leased(p *process, held worker.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.dead {
		l.leases = append(l.leases, lease{p, held, held.Until.Add(-p.lock), time.Now()})
	}
}

func (l *ledger) ended(p *process, a worker.Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.dead {
		l.ends = append(l.ends, ended{p, a.Job.ID, a.Job.AttemptsStarted, a.Status, time.Now(), a.Status == worker.StatusLost && !refusal(a.Error)})
	}
}

// refusal tells an outcome that Redis did not take from one of which nobody
// heard what became of it.
func refusal(err error) bool {
	return slices.ContainsFunc([]error{jobs.ErrLockLost, jobs.ErrNotFound, jobs.ErrNotInState},
		func(target error) bool { return errors.Is(err, target) })
}

// dies ends what a process has to say.
func (l *ledger) dies(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.dead, p.died = true, time.Now()
}

// gaveUp notes that a process may have handed back, since now, what it ran.
func (l *ledger) gaveUp(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.runs {
		if r.process == p && r.to.IsZero() {
			r.freed = time.Now()
		}
	}
}

// watch reads the event stream as it is written.
func (l *ledger) watch(command string, args []string) {
	if command != "XADD" {
		return
	}
	fields := map[string]string{}
	for i := len(args) - 2; i > 0; i -= 2 {
		fields[args[i]] = args[i+1]
		if args[i] == "event" {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, told{time.Now(), jobs.EventType(fields["event"]), fields["jobId"], fields["prev"],
		fields["deduplicatedJobId"], fields["kept"] == "1"})
}
