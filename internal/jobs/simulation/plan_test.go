package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/jobs"
)

// plan is all that happens in one run. Moments are counted from its beginning.
type plan struct {
	seed  int
	mood  mood
	lease time.Duration  // LockDuration of every pool
	sweep time.Duration  // SweepInterval of every pool
	limit jobs.RateLimit // of every pool
	skew  time.Duration  // how far the server's clock is ahead of ours

	hosts  [][]life // what runs on each host, one after the other
	jobs   []jobPlan
	bulks  []bulk
	faults []fault
	acts   []act
	halt   halt
	losses losses

	schedule schedule
	unique   unique
}

// mood says what a plan is about. Some promises can be checked only when
// nothing goes wrong.
type mood string

const (
	orderly mood = "orderly" // all jobs are there, then one pool with one slot: the order is checked
	prompt  mood = "prompt"  // more slots than jobs: each has to start at once
	stormy  mood = "stormy"  // anything may happen
)

// end is how a life ends.
type end string

const (
	stays    end = "stays"    // to the end of the run
	stops    end = "stops"    // as on SIGTERM
	killed   end = "killed"   // as by SIGKILL: its connections are closed
	vanishes end = "vanishes" // as by a pulled plug: nobody closes its connections
)

// life is one pool in one process.
type life struct {
	begins, ends time.Duration
	how          end
	slots        int
	patience     time.Duration // how long a stop waits for running jobs
}

// jobPlan is one job and what its handler does.
type jobPlan struct {
	at       time.Duration
	runAt    time.Duration // not before the server's clock shows it; 0 is at once, or after the delay
	named    bool          // the caller chooses the id
	stubborn bool          // the producer adds again until it knows that the job is stored
	options  jobs.Options
	snoozes  int       // so many starts put the job off first
	attempts []attempt // the last one counts for all that follow
}

// attempt is what a handler does in one attempt.
type attempt struct {
	busy time.Duration
	deaf bool // does not notice the end of its context
	how  ending
}

type ending string

const (
	succeeds ending = "succeeds"
	fails    ending = "fails"
	panics   ending = "panics"
	givesUp  ending = "gives up" // an unrecoverable error
	asks     ending = "asks"     // an error that asks for a delay of its own
)

// fault is something that happens to the server, or to the way to it.
type fault struct {
	at     time.Duration
	what   string
	host   int // whose way; of some
	length time.Duration
}

const (
	restart = "restart" // the server is away for length, and forgets its scripts
	stall   = "stall"   // the server stands still
	freeze  = "freeze"  // one host's way stands still
	step    = "step"    // the server's clock is set by length
	flush   = "flush"   // the server forgets its scripts
	reset   = "reset"   // all connections are closed
)

// losses are how many of a thousand requests go wrong, by how.
type losses struct {
	request, reply, silence, late int
}

// act is what an operator does.
type act struct {
	at       time.Duration
	what     string
	job      int
	priority jobs.Priority // of a change of rank
	delay    time.Duration // of a postponement
}

const (
	pause   = "pause"
	resume  = "resume"
	retry   = "retry"
	anew    = "retry anew" // with its attempts reset
	remove  = "remove"
	promote = "promote"
	rerank  = "change the priority"
	delay   = "change the delay"
)

// horizon is when the plan's last event is over; then everything is healed.
const horizon = 40 * time.Second

// plans makes plans. The same number makes the same one.
var plans = rapid.Custom(func(t *rapid.T) *plan {
	p := &plan{
		mood:  rapid.SampledFrom([]mood{stormy, stormy, stormy, orderly, prompt}).Draw(t, "mood"),
		lease: seconds(t, "lease", 1, 5, 5),
		sweep: seconds(t, "sweep", 1, 5),
		skew:  seconds(t, "skew", 0, 0, -3, 3, 120, -120),
	}
	p.jobs = p.drawJobs(t)
	p.hosts = p.drawHosts(t)
	if p.mood == stormy {
		p.losses = drawLosses(t)
		p.faults = rapid.SliceOfN(rapid.Custom(p.drawFault), 0, 6).Draw(t, "faults")
		p.acts = rapid.SliceOfN(rapid.Custom(p.drawAct), 0, 5).Draw(t, "acts")
	}
	// What came later is drawn behind, so that a number goes on to mean the same
	// jobs, hosts and faults.
	p.drawMoments(t)
	p.drawBulks(t)
	p.drawLimit(t)
	p.drawChanges(t)
	p.drawSchedule(t)
	p.drawUnique(t)
	p.drawWidth(t)
	return p
})

// drawWidth gives all pools so many slots that two calls can be under way, and
// lets some jobs come at once, so that many end together.
func (p *plan) drawWidth(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "wide") != 0 || p.mood != stormy {
		return
	}
	for _, lives := range p.hosts {
		for i := range lives {
			lives[i].slots += 7
		}
	}
	together := moment(t, "together", 0, 20*time.Second)
	for i := range p.jobs {
		if i%2 == 0 {
			p.jobs[i].at = together
		}
	}
	slices.SortStableFunc(p.jobs, func(a, b jobPlan) int { return int(a.at - b.at) })
}

// drawMoments lets a few jobs wait for a moment instead of a delay. It may have
// passed when they are added.
func (p *plan) drawMoments(t *rapid.T) {
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(p.jobs)-1), 0, 4).Draw(t, "with a moment") {
		p.jobs[i].options.Delay = 0
		p.jobs[i].runAt = moment(t, "run at", time.Millisecond, 35*time.Second)
	}
}

func planOf(seed int) *plan {
	p := *plans.Example(seed)
	p.seed = seed
	return &p
}

func seconds(t *rapid.T, label string, choices ...int) time.Duration {
	return time.Duration(rapid.SampledFrom(choices).Draw(t, label)) * time.Second
}

// moment is up to limit, in milliseconds.
func moment(t *rapid.T, label string, from, to time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(from.Milliseconds(), to.Milliseconds()).Draw(t, label)) * time.Millisecond
}

func (p *plan) drawJobs(t *rapid.T) []jobPlan {
	all := make([]jobPlan, rapid.IntRange(1, 40).Draw(t, "jobs"))
	for i := range all {
		all[i] = p.drawJob(t)
	}
	if p.mood == orderly {
		for i := range all {
			all[i].at = 0
		}
		return all
	}
	slices.SortStableFunc(all, func(a, b jobPlan) int { return int(a.at - b.at) })
	return all
}

func (p *plan) drawJob(t *rapid.T) jobPlan {
	j := jobPlan{
		at:    moment(t, "at", 0, 25*time.Second),
		named: rapid.Bool().Draw(t, "named"),
		options: jobs.Options{
			Priority: rapid.SampledFrom([]jobs.Priority{0, jobs.Critical, jobs.High, jobs.Low, jobs.Unprioritized}).Draw(t, "priority"),
			Attempts: rapid.SampledFrom([]int{0, 1, 2, 3, 4}).Draw(t, "attempts"),
		},
	}
	if rapid.IntRange(0, 3).Draw(t, "delayed") == 0 {
		j.options.Delay = moment(t, "delay", time.Millisecond, 15*time.Second)
	}
	j.attempts = rapid.SliceOfN(rapid.Custom(p.drawAttempt), 1, 4).Draw(t, "does")
	p.drawOptions(t, &j)
	return j
}

func (p *plan) drawOptions(t *rapid.T, j *jobPlan) {
	if rapid.Bool().Draw(t, "backoff") {
		j.options.Backoff = jobs.Backoff{
			Type:  rapid.SampledFrom([]jobs.BackoffType{jobs.Fixed, jobs.Linear, jobs.Exponential}).Draw(t, "type"),
			Delay: moment(t, "base", time.Millisecond, 3*time.Second),
		}
	}
	if p.mood == orderly { // a job that comes back would disturb the order
		return
	}
	if rapid.IntRange(0, 4).Draw(t, "limited") == 0 {
		j.options.Timeout = moment(t, "timeout", 100*time.Millisecond, 6*time.Second)
	}
	for i := range j.attempts { // who wins when both are over at once is anybody's guess
		if j.attempts[i].busy == j.options.Timeout {
			j.attempts[i].busy++
		}
	}
	if rapid.IntRange(0, 6).Draw(t, "snoozing") == 0 {
		j.snoozes = rapid.IntRange(1, 2).Draw(t, "snoozes")
	}
	switch rapid.IntRange(0, 9).Draw(t, "kept") {
	case 0:
		j.options.KeepCompleted = &jobs.Retention{None: true}
	case 1:
		j.options.KeepFailed = &jobs.Retention{None: true}
	}
	j.stubborn = j.options.KeepCompleted == nil && j.options.KeepFailed == nil && rapid.Bool().Draw(t, "stubborn")
}

// drawAttempt leaves long work to storms, so that calm plans stay short.
func (p *plan) drawAttempt(t *rapid.T) attempt {
	longest := 300 * time.Millisecond
	if p.mood == stormy && rapid.IntRange(0, 5).Draw(t, "long") == 0 {
		longest = 12 * time.Second
	}
	return attempt{
		busy: moment(t, "busy", 0, longest),
		deaf: rapid.IntRange(0, 5).Draw(t, "deaf") == 0,
		how:  rapid.SampledFrom([]ending{succeeds, succeeds, succeeds, fails, fails, panics, givesUp, asks}).Draw(t, "how"),
	}
}

func (p *plan) drawHosts(t *rapid.T) [][]life {
	switch p.mood {
	case orderly:
		return [][]life{{{begins: time.Second, how: stays, slots: 1}}}
	case prompt:
		return [][]life{{{how: stays, slots: 25}}, {{how: stays, slots: 25}}}
	}
	hosts := make([][]life, rapid.IntRange(1, 3).Draw(t, "hosts"))
	for i := range hosts {
		hosts[i] = drawLives(t)
	}
	return hosts
}

func drawLives(t *rapid.T) []life {
	var lives []life
	for at := moment(t, "begins", 0, 5*time.Second); at < horizon-10*time.Second && len(lives) < 3; {
		l := life{
			begins:   at,
			how:      rapid.SampledFrom([]end{stays, stops, stops, killed, killed, vanishes}).Draw(t, "end"),
			slots:    rapid.IntRange(1, 5).Draw(t, "slots"),
			patience: moment(t, "patience", 0, 8*time.Second),
		}
		l.ends = at + moment(t, "length", 100*time.Millisecond, 20*time.Second)
		lives = append(lives, l)
		if l.how == stays {
			break
		}
		at = l.ends + moment(t, "pause", 0, 4*time.Second)
	}
	return lives
}

func drawLosses(t *rapid.T) losses {
	share := rapid.SampledFrom([]int{0, 0, 10, 50})
	return losses{
		request: share.Draw(t, "requests lost"), reply: share.Draw(t, "replies lost"),
		silence: share.Draw(t, "requests swallowed"), late: share.Draw(t, "requests late"),
	}
}

func (p *plan) drawFault(t *rapid.T) fault {
	f := fault{
		at:   moment(t, "at", 0, 30*time.Second),
		what: rapid.SampledFrom([]string{restart, stall, freeze, freeze, step, flush, reset}).Draw(t, "what"),
		host: rapid.IntRange(0, len(p.hosts)-1).Draw(t, "host"),
	}
	switch f.what {
	case restart, stall, freeze:
		f.length = moment(t, "length", time.Millisecond, 9*time.Second)
	case step:
		f.length = seconds(t, "by", -1, 2, 7, 30, -20)
	}
	return f
}

func (p *plan) drawAct(t *rapid.T) act {
	return act{
		at:   moment(t, "at", 0, 35*time.Second),
		what: rapid.SampledFrom([]string{pause, resume, resume, retry, anew, remove, promote}).Draw(t, "what"),
		job:  rapid.IntRange(0, len(p.jobs)-1).Draw(t, "job"),
	}
}

// drawChanges lets the operator change jobs: anything in a storm, and where the
// order counts priorities, before the first job is taken.
func (p *plan) drawChanges(t *rapid.T) {
	switch p.mood {
	case stormy:
		p.acts = append(p.acts, rapid.SliceOfN(rapid.Custom(p.drawChange), 0, 4).Draw(t, "changes")...)
	case orderly:
		changes := rapid.SliceOfN(rapid.Custom(p.drawChange), 0, 6).Draw(t, "changes")
		for i := range changes {
			changes[i].at, changes[i].what = 700*time.Millisecond, rerank
		}
		p.acts = changes
	}
}

func (p *plan) drawChange(t *rapid.T) act {
	return act{
		at:       moment(t, "at", 0, 35*time.Second),
		what:     rapid.SampledFrom([]string{rerank, delay}).Draw(t, "what"),
		job:      rapid.IntRange(0, len(p.jobs)-1).Draw(t, "job"),
		priority: rapid.SampledFrom([]jobs.Priority{jobs.Critical, jobs.High, jobs.Low, jobs.Unprioritized}).Draw(t, "priority"),
		delay:    moment(t, "delay", time.Millisecond, 10*time.Second),
	}
}

// inOrder are the acts by their time.
func (p *plan) inOrder() []act {
	return slices.SortedStableFunc(slices.Values(p.acts), func(a, b act) int { return int(a.at - b.at) })
}

// String is the plan for whoever reads of a failure.
func (p *plan) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, %s: lease %s, sweep %s, server's clock %s ahead, losses %+v, limit %+v, halt %+v\n",
		p.seed, p.mood, p.lease, p.sweep, p.skew, p.losses, p.limit, p.halt)
	for i, lives := range p.hosts {
		for _, l := range lives {
			fmt.Fprintf(&text, "  host %d: %s with %d slots, %s %s (patience %s)\n", i, l.begins, l.slots, l.how, l.ends, l.patience)
		}
	}
	for i, j := range p.jobs {
		fmt.Fprintf(&text, "  job %d at %s: priority %d, delay %s, run at %s, %d attempts, backoff %+v, timeout %s, %d snoozes, %+v\n",
			i, j.at, j.options.Priority, j.options.Delay, j.runAt, j.options.Attempts, j.options.Backoff, j.options.Timeout, j.snoozes, j.attempts)
	}
	for _, b := range p.bulks {
		fmt.Fprintf(&text, "  jobs %d to %d in one call, stubborn %t\n", b.first, b.first+b.count-1, b.stubborn)
	}
	for _, f := range p.faults {
		fmt.Fprintf(&text, "  at %s %s of host %d by %s\n", f.at, f.what, f.host, f.length)
	}
	if p.schedule.runs > 0 {
		fmt.Fprintf(&text, "  a scheduler: %+v\n", p.schedule)
	}
	if len(p.unique.asks) > 0 {
		fmt.Fprintf(&text, "  one at a time: %+v\n", p.unique)
	}
	for _, a := range p.acts {
		fmt.Fprintf(&text, "  at %s %s job %d (priority %d, delay %s)\n", a.at, a.what, a.job, a.priority, a.delay)
	}
	return text.String()
}
