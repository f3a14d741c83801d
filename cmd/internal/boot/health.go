package boot

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Check asks whether something that the program needs is there.
type Check struct {
	Name string // "redis", "job-queue"
	// Required makes /health and /readyz red when the check fails. Otherwise the
	// program is only degraded.
	Required bool
	// Welcome keeps /readyz green all the same: for what refusing new work would
	// not mend, such as a backlog.
	Welcome bool
	// Live makes /livez red too, and with that has the process restarted. It is
	// for what a restart mends, such as a fetch loop that does not come round,
	// and never for a server that is away.
	Live bool
	// Timeout is for one run; 0 is 2 s.
	Timeout time.Duration
	// Func returns nil when all is well. The error is shown to operators only.
	Func func(context.Context) error
}

// decides reports whether /readyz depends on the check.
func (c Check) decides() bool { return c.Required && !c.Welcome }

// Health knows the checks and what they said. A result is used for a moment, so
// that however many probes come, each check runs at most once at a time. A
// failure is used for an eighth of that moment: a service is missed for as long as
// its probes say that it is not there.
type Health struct {
	fresh   time.Duration
	now     func() time.Time
	version Version
	started time.Time
	phase   atomic.Int32 // starting, serving, draining

	mu     sync.Mutex
	probes []*probe
	runs   sync.WaitGroup
}

// HealthOptions tune a Health. The zero value is fine.
type HealthOptions struct {
	Fresh   time.Duration // how long a good result is used; 0 is 2 s
	Version Version
	Now     func() time.Time // nil is time.Now
}

const (
	starting int32 = iota
	serving
	draining
)

var phaseNames = [...]string{"starting", "serving", "draining"}

// NewHealth returns a Health without checks. It is not ready before Serving.
func NewHealth(o HealthOptions) *Health {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Health{fresh: orDefault(o.Fresh, 2*time.Second), now: o.Now, version: o.Version, started: o.Now()}
}

// Add registers a check. Two of one name are a mistake in the program, and so is
// one that readiness needs and that takes longer than healthcheck waits for it.
func (h *Health) Add(c Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.probes {
		if p.check.Name == c.Name {
			panic("boot: two health checks are named " + c.Name)
		}
	}
	c.Timeout = orDefault(c.Timeout, 2*time.Second)
	if c.decides() && c.Timeout >= healthcheckTimeout {
		panic("boot: healthcheck would not wait for the health check " + c.Name)
	}
	h.probes = append(h.probes, &probe{check: c})
}

// Serving says that everything was built.
func (h *Health) Serving() { h.phase.CompareAndSwap(starting, serving) }

// Drain makes /readyz red for good, so that no new work comes while the program
// stops. It stays alive.
func (h *Health) Drain() { h.phase.Store(draining) }

// Close waits for checks that are running.
func (h *Health) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() { h.runs.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("a health check does not return")
	}
}

// Report is what /health shows.
type Report struct {
	Status  string            `json:"status"` // ok, degraded or unavailable
	Phase   string            `json:"phase"`  // starting, serving or draining
	Version string            `json:"version"`
	Uptime  int64             `json:"uptimeSeconds"`
	Checks  map[string]Result `json:"checks"`

	names []string // in the order they were added
}

// Result is what a check said last.
type Result struct {
	Status    string    `json:"status"` // ok or failing
	Required  bool      `json:"required"`
	Error     string    `json:"error,omitempty"`
	Millis    int64     `json:"durationMs"`
	CheckedAt time.Time `json:"checkedAt"`

	live, welcome bool
}

const (
	statusOK          = "ok"
	statusFailing     = "failing"
	statusDegraded    = "degraded"
	statusUnavailable = "unavailable"
)

// Report runs the checks whose results are no longer fresh, all at once.
func (h *Health) Report(ctx context.Context) Report {
	return h.report(ctx, func(Check) bool { return true })
}

func (h *Health) report(ctx context.Context, wanted func(Check) bool) Report {
	probes := h.wanted(wanted)
	results := make([]Result, len(probes))
	var asked sync.WaitGroup
	for i, p := range probes {
		asked.Go(func() { results[i] = h.ask(ctx, p) })
	}
	asked.Wait()

	phase := h.phase.Load()
	r := Report{Status: statusOK, Phase: phaseNames[phase], Version: h.version.Version, Uptime: int64(h.now().Sub(h.started).Seconds()), Checks: map[string]Result{}}
	for i, p := range probes {
		r.add(p.check.Name, results[i])
	}
	if phase != serving {
		r.Status = statusUnavailable
	}
	return r
}

func (h *Health) wanted(wanted func(Check) bool) []*probe {
	h.mu.Lock()
	defer h.mu.Unlock()
	var probes []*probe
	for _, p := range h.probes {
		if wanted(p.check) {
			probes = append(probes, p)
		}
	}
	return probes
}

func (r *Report) add(name string, result Result) {
	r.names = append(r.names, name)
	r.Checks[name] = result
	switch {
	case result.Status == statusOK:
	case result.Required:
		r.Status = statusUnavailable
	case r.Status == statusOK:
		r.Status = statusDegraded
	}
}

// live reports whether no check that a restart would mend has failed.
func (r *Report) live() bool {
	for _, result := range r.Checks {
		if result.live && result.Status != statusOK {
			return false
		}
	}
	return true
}

// ready reports whether new work is welcome.
func (r *Report) ready() bool {
	for _, result := range r.Checks {
		if result.Required && !result.welcome && result.Status != statusOK {
			return false
		}
	}
	return r.Phase == phaseNames[serving]
}

// probe is a check with its latest result.
type probe struct {
	check Check

	mu      sync.Mutex
	last    Result
	running chan struct{} // closed at the end of the run that is under way; nil without one
	since   time.Time     // when that run began
}

// ask returns the latest result if it is fresh, and otherwise that of a run,
// which it shares with whoever else asks. A check that does not return in time
// has failed, and is not started again before it does.
func (h *Health) ask(ctx context.Context, p *probe) Result {
	p.mu.Lock()
	now := h.now()
	if p.running == nil && !p.last.CheckedAt.IsZero() && now.Sub(p.last.CheckedAt) < h.lasts(p.last) {
		defer p.mu.Unlock()
		return p.last
	}
	if p.running == nil {
		p.running, p.since = make(chan struct{}), now
		h.runs.Go(func() { h.run(context.WithoutCancel(ctx), p) })
	}
	running, left := p.running, p.since.Add(p.check.Timeout).Sub(now)
	p.mu.Unlock()
	return p.await(ctx, running, left, now)
}

// lasts is how long a result is used.
func (h *Health) lasts(r Result) time.Duration {
	if r.Status != statusOK {
		return h.fresh / 8
	}
	return h.fresh
}

func (p *probe) await(ctx context.Context, running <-chan struct{}, left time.Duration, now time.Time) Result {
	timer := time.NewTimer(max(0, left))
	defer timer.Stop()
	select {
	case <-running:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.last
	case <-timer.C:
		return p.result(fmt.Errorf("no answer within %s", p.check.Timeout), p.check.Timeout, now)
	case <-ctx.Done():
		return p.result(ctx.Err(), 0, now)
	}
}

func (p *probe) result(err error, took time.Duration, at time.Time) Result {
	r := Result{Status: statusOK, Required: p.check.Required, Millis: took.Milliseconds(), CheckedAt: at.UTC(), live: p.check.Live, welcome: p.check.Welcome}
	if err != nil {
		r.Status, r.Error = statusFailing, hidePasswords(err.Error())
	}
	return r
}

// run runs the check once and keeps its result.
func (h *Health) run(ctx context.Context, p *probe) {
	ctx, cancel := context.WithTimeout(ctx, p.check.Timeout)
	defer cancel()
	began := h.now()
	err := guarded(ctx, p.check.Func)
	ended := h.now()

	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = p.result(err, ended.Sub(began), ended)
	close(p.running)
	p.running = nil
}

// guarded makes a panic of a check its failure.
func guarded(ctx context.Context, check func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return check(ctx)
}
