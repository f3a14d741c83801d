package check

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandemq/tandem/proof/census"
	"github.com/tandemq/tandem/proof/ledger"
)

// Rules are what the plan of a campaign promises beyond what always holds.
type Rules struct {
	// FIFO: one producer added one job at a time, and one job ran at a time.
	FIFO bool
	// Shutdown is how long jobs may run on after their process was asked to stop.
	Shutdown time.Duration
	// Wake is how long jobs that are not put off may wait for their first start, all
	// but a tenth of them: a busy machine may leave a process without a processor
	// for a while. 0 is no bound.
	Wake time.Duration
	// Recovery is how long a job may wait for its next start when its process has
	// died; 0 is no bound.
	Recovery time.Duration
	// Forgets: a primary that is replaced may take outcomes and renewals with it that
	// were accepted. Such a job runs again, and may do so while its attempt on the old
	// primary is not over; nothing is said of second starts and second finishes.
	Forgets bool
	// Quiet: nothing happens to a process, a link or the server, so that a handler's
	// effect is not done again, for all but a hundredth of the jobs: a busy machine
	// may leave a worker without a processor for longer than its leases.
	Quiet bool
	// Ignore are ids that a fault put there or broke: nothing is promised of them.
	Ignore map[string]bool
}

// Check judges what the ledgers and the census tell. The error is of reading.
func Check(entries iter.Seq2[ledger.Entry, error], c *census.Census, rules Rules) (*Report, error) {
	h, err := read(entries)
	if err != nil {
		return nil, err
	}
	j := &judge{history: h, census: c, rules: rules, again: map[string]int{}, report: &Report{Faults: h.faults, Deaths: len(h.deaths), Starts: len(h.starts)}}
	j.answers()
	j.lives()
	j.wakes()
	j.repeats()
	j.places()
	j.leaks()
	if rules.FIFO {
		j.order()
	}
	j.latencies()
	return j.report, nil
}

// judge has what is known and writes the report.
type judge struct {
	*history
	census *census.Census
	rules  Rules
	report *Report

	recovery, waits []int64
	late            []slept
	again           map[string]int // by id: how often an effect was done after the first time
}

// slept is a job that waited longer for its first start than it may.
type slept struct {
	id     string
	waited time.Duration
}

// answers looks at each job from its producer's side.
func (j *judge) answers() {
	for _, key := range slices.Sorted(maps.Keys(j.asked)) {
		a := j.asked[key]
		j.report.Jobs++
		if a.acked != 0 {
			j.report.Acked++
		}
		if a.doubts > 0 {
			j.report.Unsure++
		}
		if a.denied != "" && !j.ignored(a) {
			j.report.find(FalseError, key, "denied: %s", a.denied)
		}
		if a.known {
			j.report.find(FalseError, key, "acknowledged as a repetition, and was the first")
		}
		j.acked(a)
	}
}

// ignored reports that a fault put something else under an id of the job.
func (j *judge) ignored(a *asked) bool {
	return j.rules.Ignore[a.key] || slices.ContainsFunc(a.ids, func(id string) bool { return j.rules.Ignore[id] })
}

// acked checks that a promise was kept.
func (j *judge) acked(a *asked) {
	if a.acked == 0 {
		return
	}
	if j.ignored(a) {
		return // what is left of its data may not tell whose it is
	}
	for _, id := range a.ids {
		if l := j.jobs[id]; l.key != a.key {
			continue // another job took the id
		}
		if j.settled(id) != "" || len(j.census.Places[id]) > 0 {
			return
		}
	}
	j.report.find(Lost, a.key, "acknowledged at %d under %v, then no trace of its end", a.acked, a.ids)
}

// settled is how a job ended, as the queue, the workers or the census tell it;
// "" when it did not.
func (j *judge) settled(id string) string {
	if l := j.jobs[id]; l != nil {
		if len(l.finals) > 0 {
			return l.finals[0]
		}
		for _, e := range l.ends {
			if e.word == "completed" || e.word == "failed" {
				return e.word
			}
		}
	}
	for _, place := range j.census.Places[id] {
		if census.Finished(place) {
			return place
		}
	}
	return ""
}

// lives looks at each id from the workers' side.
func (j *judge) lives() {
	firsts := map[string]string{} // key → the id that was met first
	for _, id := range slices.Sorted(maps.Keys(j.jobs)) {
		l := j.jobs[id]
		if j.rules.Ignore[id] {
			continue
		}
		if len(l.starts) > 0 || len(l.finals) > 0 {
			j.known(id, l, firsts)
		}
		j.attempts(id, l)
		j.outcome(id, l)
	}
}

func (j *judge) known(id string, l *life, firsts map[string]string) {
	a := j.asked[l.key]
	if l.key == "" || a == nil || a.at == 0 {
		j.report.find(Unexpected, id, "ran, or finished, and nobody had asked for it (key %q)", l.key)
		return
	}
	if first, ok := firsts[l.key]; ok {
		j.report.find(Duplicate, l.key, "became both %s and %s", first, id)
		return
	}
	firsts[l.key] = id
	if len(l.starts) > 0 {
		j.punctual(id, l, a)
	}
}

// punctual checks when a job began.
func (j *judge) punctual(id string, l *life, a *asked) {
	first := slices.MinFunc(l.starts, func(a, b start) int { return cmp.Compare(a.at, b.at) }).at
	if first < a.due {
		j.report.find(Early, id, "began %s before it was due", micros(a.due-first))
	}
	if a.acked == 0 || a.due != 0 {
		return
	}
	waited := max(0, first-a.acked)
	j.waits = append(j.waits, waited)
	if j.rules.Wake > 0 && micros(waited) > j.rules.Wake {
		j.late = append(j.late, slept{id, micros(waited)})
	}
}

// wakes tells of the jobs that began late, when there are more than chance makes.
func (j *judge) wakes() {
	if len(j.late) <= len(j.waits)/10 {
		return
	}
	for _, s := range j.late {
		j.report.find(Late, s.id, "began %s after it was acknowledged, one of %d of %d", s.waited, len(j.late), len(j.waits))
	}
}

// repeats tells of effects that were done again without cause.
func (j *judge) repeats() {
	if !j.rules.Quiet || j.report.Repeated <= j.report.Jobs/100 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(j.again)) {
		j.report.find(Repeated, id, "had its effect %d times, and nothing had happened to its workers", j.again[id]+1)
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// attempts checks that each began when the one before was over.
func (j *judge) attempts(id string, l *life) {
	slices.SortFunc(l.starts, func(a, b start) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.at, b.at)) })
	for i := 1; i < len(l.starts); i++ {
		before, next := l.starts[i-1], l.starts[i]
		if !j.rules.Forgets && !j.over(l, before, next.at) {
			j.report.find(SecondStart, id, "attempt %d began in %d at %d; attempt %d in %d (%s, since %d) was not over, its lease held until %d",
				next.n, next.pid, next.at, before.n, before.pid, before.token, before.at, l.leaseOf(before.token))
		}
		j.recovered(id, l, before, next)
	}
}

// over reports whether an attempt had returned, ended, or outlived its lease.
func (j *judge) over(l *life, a start, at int64) bool {
	for _, r := range l.returns {
		if r.token == a.token && r.at >= a.at && r.at <= at {
			return true
		}
	}
	for _, e := range l.ends {
		if e.n == a.n && e.at <= at {
			return true
		}
	}
	if until := l.leaseOf(a.token); until != 0 && until <= at {
		return true
	}
	stop, asked := j.stops[a.pid]
	return asked && stop+j.rules.Shutdown.Microseconds() <= at
}

func (l *life) leaseOf(token string) int64 {
	for _, held := range l.leases {
		if held.token == token {
			return held.until
		}
	}
	return 0
}

// recovered measures how long a job waited that lost its process.
func (j *judge) recovered(id string, l *life, before, next start) {
	death, died := j.deaths[before.pid]
	if !died || next.at < death || before.at > death {
		return
	}
	for _, r := range l.returns {
		if r.token == before.token {
			return
		}
	}
	j.report.Recovered++
	j.recovery = append(j.recovery, next.at-death)
	if j.rules.Recovery > 0 && micros(next.at-death) > j.rules.Recovery {
		j.report.find(Late, id, "began again %s after its worker had died", micros(next.at-death))
	}
}

// outcome checks how a job ended, and that it did so once.
func (j *judge) outcome(id string, l *life) {
	accepted := 0
	for _, e := range l.ends {
		switch e.word {
		case "completed", "failed":
			accepted++
		case "released":
			j.report.Handed++
		case "lost":
			j.report.Refused++
		}
	}
	if (len(l.finals) > 1 || accepted > 1) && !j.rules.Forgets {
		j.report.find(Finishes, id, "the queue tells of %v, workers of %d accepted outcomes", l.finals, accepted)
	}
	if l.effects > 1 {
		j.again[id] = l.effects - 1
		j.report.Repeated += l.effects - 1
	}
	result := j.settled(id)
	if !j.rules.Forgets {
		j.agree(id, l, result)
		j.zombies(id, l)
	}
	a := j.asked[l.key]
	if result == "" || a == nil {
		return
	}
	j.count(result)
	j.compare(id, l, a, result)
}

// agree checks that workers and the queue tell the same.
func (j *judge) agree(id string, l *life, result string) {
	for _, e := range l.ends {
		if (e.word == "completed" || e.word == "failed") && e.word != result {
			j.report.find(Finishes, id, "a worker was told that it %s, the queue says %s", e.word, result)
		}
		if e.word == "lost" && len(l.starts) == 1 && l.starts[0].n == e.n && len(l.finals) > 0 {
			j.report.find(Finishes, id, "its only attempt was told that its outcome was lost, the queue says %s", result)
		}
	}
}

// zombies checks that no outcome was accepted that was sent after a later attempt
// had begun.
func (j *judge) zombies(id string, l *life) {
	for _, e := range l.ends {
		if e.word == "lost" || e.word == "unsure" || e.word == "released" { // over the head of a handler that does not return
			continue
		}
		sent, token := int64(0), ""
		for _, s := range l.starts {
			if s.n == e.n {
				token = s.token
			}
		}
		for _, r := range l.returns {
			if r.token == token {
				sent = r.at
			}
		}
		for _, s := range l.starts {
			if s.n > e.n && sent > s.at {
				j.report.find(Finishes, id, "attempt %d was %s with an outcome sent at %d, after attempt %d had begun at %d", e.n, e.word, sent, s.n, s.at)
			}
		}
	}
}

func (j *judge) count(result string) {
	if result == "completed" {
		j.report.Completed++
	} else {
		j.report.Failed++
	}
}

func (j *judge) compare(id string, l *life, a *asked, result string) {
	switch {
	case a.want == "completed" && result == "failed":
		j.report.find(Innocent, id, "failed: %s", l.reason)
	case a.want == "failed" && result == "completed":
		j.report.find(Spared, id, "completed, and was to fail")
	case result == "completed" && l.effects == 0:
		j.report.find(NoEffect, id, "completed without its effect")
	}
}

// places looks at what is left in Redis.
func (j *judge) places() {
	waiting := false
	for _, id := range slices.Sorted(maps.Keys(j.census.Places)) {
		if j.rules.Ignore[id] {
			continue
		}
		places := j.census.Places[id]
		j.place(id, places)
		waiting = waiting || slices.Contains(places, "wait") || slices.Contains(places, "prioritized")
	}
	if waiting && !j.census.Marker && !j.census.Paused {
		j.report.find(Leftover, "marker", "work waits and nothing would wake a worker")
	}
	j.leftovers("hash", j.census.Hashes)
	j.leftovers("lock", j.census.Locks)
	for _, key := range j.census.Strange {
		if id, _, _ := strings.Cut(key, ":"); !j.rules.Ignore[id] {
			j.report.find(Leftover, key, "a key that no job needs")
		}
	}
}

func (j *judge) place(id string, places []string) {
	if len(places) > 1 {
		j.report.find(Leftover, id, "is in %s at once", strings.Join(places, " and "))
	}
	if !j.census.Hashes[id] {
		j.report.find(Leftover, id, "is in %s without a hash", places[0])
	}
	if !census.Finished(places[0]) {
		j.report.find(Stuck, id, "is in %s", places[0])
	}
	if j.jobs[id] == nil && j.asked[id] == nil {
		j.report.find(Unexpected, id, "is in %s, and nobody had asked for it", places[0])
	}
}

// leftovers are what belongs to a job that is nowhere, or locked and not active.
func (j *judge) leftovers(what string, of map[string]bool) {
	for _, id := range slices.Sorted(maps.Keys(of)) {
		places := j.census.Places[id]
		if j.rules.Ignore[id] || what == "hash" && len(places) > 0 || what == "lock" && slices.Contains(places, "active") {
			continue
		}
		j.report.find(Leftover, id, "a %s that nobody needs, of a job in %v", what, places)
	}
}

// order checks that jobs of one priority began in the order in which they came.
func (j *judge) order() {
	lines := map[int64][]*asked{}
	for _, a := range j.asked {
		if j.stoodInLine(a) {
			lines[a.priority] = append(lines[a.priority], a)
		}
	}
	for _, priority := range slices.Sorted(maps.Keys(lines)) {
		line := lines[priority]
		slices.SortFunc(line, func(a, b *asked) int { return cmp.Compare(a.at, b.at) })
		earliest := int64(0)
		for _, a := range slices.Backward(line) {
			began := j.firstStart(a)
			if earliest != 0 && began > earliest {
				j.report.find(Inversion, a.key, "began at %d, after one of priority %d that had come later and began at %d", began, priority, earliest)
			}
			if earliest == 0 || began < earliest {
				earliest = began
			}
		}
	}
}

// stoodInLine leaves out what did not wait like the others: jobs that were put
// off, or given back to the head of the line before they had begun.
func (j *judge) stoodInLine(a *asked) bool {
	if a.acked == 0 || len(a.ids) != 1 {
		return false
	}
	l := j.jobs[a.ids[0]]
	return len(l.starts) > 0 && !l.stalled && !l.put
}

func (j *judge) firstStart(a *asked) int64 {
	first := int64(0)
	for _, s := range j.jobs[a.ids[0]].starts {
		if first == 0 || s.at < first {
			first = s.at
		}
	}
	return first
}

func (j *judge) latencies() {
	var resumes []int64
	for _, up := range j.ups {
		if i, _ := slices.BinarySearch(j.starts, up); i < len(j.starts) {
			resumes = append(resumes, j.starts[i]-up)
		}
	}
	j.report.Recovery, j.report.Resume, j.report.Wait = spread(j.recovery), spread(resumes), spread(j.waits)
}
