package broker_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// model is a queue as it should be, in plain Go: the lists as slices, the
// stored scores as numbers. Time, locks and the rate limit are values that the
// test moves.
type model struct {
	now       int64 // ms
	jobs      map[string]*modelJob
	wait      []string // the right end runs first
	active    []string // the newest is on the left
	ranked    map[string]int64
	delayed   map[string]int64
	completed map[string]int64
	failed    map[string]int64
	stalled   map[string]bool
	pc        int64
	counter   int

	paused      bool
	concurrency int // 0 is no limit
	max         int // jobs in one window of the rate limit, 0 is no limit
	used        int
	sweptAt     int64
}

type modelJob struct {
	priority, delay int64
	ats, atm, stc   int
	lock            string
	deferred        bool
}

func newModel(now time.Time) *model {
	return &model{
		now: now.UnixMilli(), jobs: map[string]*modelJob{}, ranked: map[string]int64{}, delayed: map[string]int64{},
		completed: map[string]int64{}, failed: map[string]int64{}, stalled: map[string]bool{},
	}
}

// picture is everything that the real queue is compared in.
func (m *model) picture() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wait %v\nactive %v\nranked %v\ndelayed %v\ncompleted %v\nfailed %v\nstalled %v\ncount %d\n",
		m.wait, m.active, m.ranked, m.delayed, m.completed, m.failed, slices.Sorted(maps.Keys(m.stalled)), m.counter)
	for _, id := range slices.Sorted(maps.Keys(m.jobs)) {
		j := m.jobs[id]
		fmt.Fprintf(&b, "%s priority %d delay %d ats %d atm %d stc %d lock %q\n", id, j.priority, j.delay, j.ats, j.atm, j.stc, j.lock)
	}
	return b.String()
}

// byScore lists a set's ids as Redis does.
func byScore(set map[string]int64) []string {
	ids := slices.Collect(maps.Keys(set))
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(set[a], set[b]), cmp.Compare(a, b))
	})
	return ids
}

func (m *model) add(job broker.NewJob) (existed bool) {
	m.counter++
	if m.jobs[job.ID] != nil {
		return true
	}
	m.jobs[job.ID] = &modelJob{priority: int64(job.Priority), delay: job.Delay.Milliseconds()}
	if job.Delay > 0 {
		m.putOff(job.ID, m.now+job.Delay.Milliseconds())
	} else {
		m.enqueue(job.ID, job.LIFO)
	}
	return false
}

func (m *model) enqueue(id string, front bool) {
	priority := m.jobs[id].priority
	switch {
	case priority > 0:
		m.pc++
		m.ranked[id] = priority<<32 + m.pc
	case front:
		m.wait = append(m.wait, id)
	default:
		m.wait = slices.Insert(m.wait, 0, id)
	}
}

func (m *model) putOff(id string, due int64) {
	score := due * 4096
	for _, other := range m.delayed {
		if other/4096 == due && other >= score {
			score = min(other+1, due*4096+4095)
		}
	}
	m.delayed[id] = score
}

func (m *model) promoteDue() {
	for _, id := range byScore(m.delayed) {
		if m.delayed[id] > (m.now+1)*4096-1 {
			return
		}
		delete(m.delayed, id)
		m.jobs[id].delay = 0
		m.enqueue(id, false)
	}
}

// settle returns the error of each outcome and the ids taken.
func (m *model) settle(outcomes []broker.Outcome, f broker.Fetch) (errs []error, taken []string) {
	m.promoteDue()
	for _, o := range outcomes {
		errs = append(errs, m.end(o))
	}
	return errs, m.take(f)
}

func (m *model) end(o broker.Outcome) error {
	j := m.jobs[o.ID]
	switch {
	case j == nil:
		return jobs.ErrNotFound
	case j.lock != o.Token:
		return jobs.ErrLockLost
	}
	m.leaveActive(o.ID)
	j.lock = ""
	delete(m.stalled, o.ID)
	if o.Kind != broker.Snooze && o.Kind != broker.Release {
		j.atm++
	}
	switch o.Kind {
	case broker.Completed:
		m.finish(m.completed, o)
	case broker.Failed:
		j.deferred = false
		m.finish(m.failed, o)
	case broker.Retry, broker.RetryFirst:
		m.enqueue(o.ID, o.Kind == broker.RetryFirst)
	case broker.Backoff, broker.Snooze:
		j.delay = o.Delay.Milliseconds()
		m.putOff(o.ID, m.now+j.delay)
	case broker.Release:
		if j.priority > 0 {
			m.ranked[o.ID] = j.priority << 32
		} else {
			m.wait = append(m.wait, o.ID)
		}
	}
	return nil
}

func (m *model) finish(set map[string]int64, o broker.Outcome) {
	if o.Keep != nil && o.Keep.None {
		delete(m.jobs, o.ID)
		return
	}
	set[o.ID] = m.now
}

// evict applies the count of the outcomes' policies; all of them have the same.
func (m *model) evict(set map[string]int64, count int) {
	ids := byScore(set)
	for _, id := range ids[:max(0, len(ids)-count)] {
		delete(set, id)
		delete(m.jobs, id)
	}
}

func (m *model) leaveActive(id string) {
	m.active = slices.DeleteFunc(m.active, func(other string) bool { return other == id })
}

func (m *model) take(f broker.Fetch) (taken []string) {
	want := f.Want
	if m.paused {
		return nil
	}
	if m.concurrency > 0 {
		want = min(want, m.concurrency-len(m.active))
	}
	if want <= 0 {
		return nil
	}
	if m.max > 0 {
		want = min(want, m.max-m.used)
	}
	for len(taken) < want && len(m.wait) > 0 {
		taken = append(taken, m.wait[len(m.wait)-1])
		m.wait = m.wait[:len(m.wait)-1]
	}
	if len(taken) < want {
		if len(m.ranked) == 0 {
			m.pc = 0
		}
		for _, id := range byScore(m.ranked) {
			if len(taken) == want {
				break
			}
			taken = append(taken, id)
			delete(m.ranked, id)
		}
	}
	for _, id := range taken {
		j := m.jobs[id]
		j.ats++
		j.lock = f.Token
		if m.max > 0 && !j.deferred {
			m.used++
		}
		m.active = slices.Insert(m.active, 0, id)
	}
	return taken
}

func (m *model) sweep(rule broker.SweepRule) (recovered []string) {
	if len(m.active) == 0 && len(m.stalled) == 0 {
		return nil
	}
	since := m.now - m.sweptAt
	if m.sweptAt > 0 && since < rule.Gap.Milliseconds() {
		return nil
	}
	late := m.sweptAt == 0 || since > 2*rule.Interval.Milliseconds() ||
		!rule.Due.IsZero() && m.now-rule.Due.UnixMilli() > rule.Gap.Milliseconds()
	m.sweptAt = m.now
	running := map[string]bool{}
	for _, id := range slices.Backward(slices.Clone(m.active)) {
		if m.jobs[id].lock != "" || !m.stalled[id] || late {
			running[id] = true
			continue
		}
		m.leaveActive(id)
		m.jobs[id].stc++
		if rule.Limit >= 0 && m.jobs[id].stc > rule.Limit {
			m.jobs[id].deferred = true
		}
		m.wait = append(m.wait, id)
		recovered = append(recovered, id)
	}
	m.stalled = running
	return recovered
}

func (m *model) renew(leases []broker.Lease) (errs []error) {
	for _, l := range leases {
		j := m.jobs[l.ID]
		ours := j != nil && (j.lock == l.Token || j.lock == "" && slices.Contains(m.active, l.ID) && j.ats == l.Started)
		if !ours {
			errs = append(errs, jobs.ErrLockLost)
			continue
		}
		j.lock = l.Token
		delete(m.stalled, l.ID)
		errs = append(errs, nil)
	}
	return errs
}

func (m *model) promote(id string) error {
	if m.jobs[id] == nil {
		return jobs.ErrNotFound
	}
	if _, ok := m.delayed[id]; !ok {
		return jobs.ErrNotInState
	}
	delete(m.delayed, id)
	m.jobs[id].delay = 0
	m.enqueue(id, false)
	return nil
}

func (m *model) set(state jobs.State) map[string]int64 {
	return map[jobs.State]map[string]int64{
		jobs.Completed: m.completed, jobs.Failed: m.failed, jobs.Delayed: m.delayed, jobs.Prioritized: m.ranked,
	}[state]
}

func (m *model) retry(id string, from jobs.State, reset broker.Reset, front bool) error {
	j := m.jobs[id]
	if j == nil {
		return jobs.ErrNotFound
	}
	if _, ok := m.set(from)[id]; !ok {
		return jobs.ErrNotInState
	}
	delete(m.set(from), id)
	if reset.Made {
		j.atm = 0
	}
	if reset.Started {
		j.ats = 0
	}
	m.enqueue(id, front)
	return nil
}

func (m *model) retryMany(from jobs.State, n int) int {
	ids := byScore(m.set(from))
	ids = ids[:min(n, len(ids))]
	for _, id := range ids {
		delete(m.set(from), id)
		if from == jobs.Delayed {
			m.jobs[id].delay = 0
		}
		m.enqueue(id, false)
	}
	return len(ids)
}

func (m *model) changeDelay(id string, delay int64) error {
	if m.jobs[id] == nil {
		return jobs.ErrNotFound
	}
	if _, ok := m.delayed[id]; !ok {
		return jobs.ErrNotInState
	}
	delete(m.delayed, id)
	m.jobs[id].delay = delay
	m.putOff(id, m.now+delay)
	return nil
}

func (m *model) changePriority(id string, priority int64, front bool) error {
	j := m.jobs[id]
	if j == nil {
		return jobs.ErrNotFound
	}
	_, isRanked := m.ranked[id]
	j.priority = priority
	if !isRanked && !slices.Contains(m.wait, id) {
		return nil
	}
	m.leaveLine(id)
	if priority > 0 && front {
		m.ranked[id] = priority << 32
	} else {
		m.enqueue(id, front)
	}
	return nil
}

func (m *model) leaveLine(id string) {
	delete(m.ranked, id)
	m.wait = slices.DeleteFunc(m.wait, func(other string) bool { return other == id })
}

func (m *model) remove(id string) error {
	j := m.jobs[id]
	if j == nil {
		return jobs.ErrNotFound
	}
	if j.lock != "" {
		return jobs.ErrLocked
	}
	m.leaveLine(id)
	m.leaveActive(id)
	for _, set := range []map[string]int64{m.delayed, m.completed, m.failed} {
		delete(set, id)
	}
	delete(m.stalled, id)
	delete(m.jobs, id)
	return nil
}

func (m *model) drain(delayed bool) (removed int) {
	doomed := append(slices.Clone(m.wait), byScore(m.ranked)...)
	if delayed {
		doomed = append(doomed, byScore(m.delayed)...)
	}
	for _, id := range doomed {
		m.leaveLine(id)
		delete(m.delayed, id)
		delete(m.jobs, id)
	}
	return len(doomed)
}

func (m *model) clean(state jobs.State) []string {
	ids := byScore(m.set(state))
	for _, id := range ids {
		delete(m.set(state), id)
		delete(m.jobs, id)
	}
	return ids
}
