package broker_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/redistest"
)

// pair is the real queue and the model that it must agree with.
type pair struct {
	*fixture
	*model
	calls int // names tokens
}

// keepCount is how many finished jobs every outcome of this test keeps.
const keepCount = 4

// Whatever is done to a queue, in whatever order, and whichever replies are lost
// on the way, it agrees with a model in plain Go, and breaks no invariant.
func TestQueueAgreesWithItsModel(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t, server)
		p := &pair{fixture: f, model: newModel(f.now)}
		p.do("hset Q:meta opts.maxLenEvents 10000") // as if a Node queue had been there first
		rt.Repeat(map[string]func(*rapid.T){
			"":               p.compare,
			"add":            p.adds,
			"settle":         p.settles,
			"settle more":    p.settles,
			"take":           p.takes,
			"time passes":    p.timePasses,
			"a worker dies":  p.workerDies,
			"sweep":          p.sweeps,
			"renew":          p.renews,
			"promote":        p.promotes,
			"retry":          p.retries,
			"retry many":     p.retriesMany,
			"change delay":   p.changesDelay,
			"priority":       p.changesPriority,
			"remove":         p.removes,
			"pause":          p.pauses,
			"settings":       p.changesSettings,
			"drain or clean": p.drainsOrCleans,
		})
	})
}

func (p *pair) compare(rt *rapid.T) {
	if diff := cmp.Diff(p.model.picture(), p.realPicture()); diff != "" {
		rt.Fatalf("queue and model differ (-model +queue):\n%s", diff)
	}
	// The lock of a job that a worker lost and the marker during a limit are of
	// this test's making; a paused or maxed queue is known to the check itself.
	broken := invariant.Check(p.fixture, p.client, p.keys, invariant.Options{
		LostLocks: true, Limited: p.max > 0,
	})
	if len(broken) > 0 {
		rt.Fatalf("%s\n%s", strings.Join(broken, "\n"), invariant.Dump(p.fixture, p.client, p.keys))
	}
}

func (p *pair) realPicture() string {
	pipe := p.client.Pipeline()
	wait, active := pipe.LRange(p.ctx, p.keys.Wait(), 0, -1), pipe.LRange(p.ctx, p.keys.Active(), 0, -1)
	stalled := pipe.Sort(p.ctx, p.keys.Base()+"stalled", &redis.Sort{Alpha: true})
	count := pipe.Get(p.ctx, p.keys.Base()+"id")
	sets := map[string]*redis.ZSliceCmd{
		"ranked":    pipe.ZRangeWithScores(p.ctx, p.keys.Prioritized(), 0, -1),
		"delayed":   pipe.ZRangeWithScores(p.ctx, p.keys.Delayed(), 0, -1),
		"completed": pipe.ZRangeWithScores(p.ctx, p.keys.Completed(), 0, -1),
		"failed":    pipe.ZRangeWithScores(p.ctx, p.keys.Failed(), 0, -1),
	}
	_, _ = pipe.Exec(p.ctx) // a missing counter is an error of its own command
	m := newModel(p.now())
	m.wait, m.active = wait.Val(), active.Val()
	for _, id := range stalled.Val() {
		m.stalled[id] = true
	}
	m.counter, _ = strconv.Atoi(count.Val())
	into := map[string]map[string]int64{"ranked": m.ranked, "delayed": m.delayed, "completed": m.completed, "failed": m.failed}
	ids := append(wait.Val(), active.Val()...)
	for name, set := range sets {
		for _, z := range set.Val() {
			into[name][fmt.Sprint(z.Member)] = int64(z.Score)
			ids = append(ids, fmt.Sprint(z.Member))
		}
	}
	for _, id := range ids {
		m.jobs[id] = p.realJob(id)
	}
	return m.picture()
}

func (p *pair) realJob(id string) *modelJob {
	h := p.client.HGetAll(p.ctx, p.keys.Job(id)).Val()
	n := func(field string) int64 {
		v, _ := strconv.ParseInt(h[field], 10, 64)
		return v
	}
	return &modelJob{
		priority: n("priority"), delay: n("delay"), ats: int(n("ats")), atm: int(n("atm")), stc: int(n("stc")),
		lock: p.client.Get(p.ctx, p.keys.Job(id)+":lock").Val(),
	}
}

// maybeLose loses the reply of the next script call in one case of eight, and
// reports whether it will.
func (p *pair) maybeLose(rt *rapid.T) bool {
	lose := rapid.IntRange(0, 7).Draw(rt, "lose") == 0
	if lose {
		p.lossy.left.Store(1)
	}
	return lose
}

func (p *pair) now() time.Time { return p.fixture.now }

// agree compares an error with the one that the model gives.
func agree(rt *rapid.T, what string, want, got error) {
	if want == nil && got != nil || want != nil && !errors.Is(got, want) {
		rt.Fatalf("%s: got error %v, the model says %v", what, got, want)
	}
}

func (p *pair) anyID(rt *rapid.T) string { return rapid.SampledFrom(p.ids()).Draw(rt, "job") }

// ids are few, so that operations meet jobs.
func (p *pair) ids() []string {
	ids := make([]string, 15)
	for i := range ids {
		ids[i] = fmt.Sprintf("j%d", i)
	}
	return ids
}

func drawJob(rt *rapid.T, id string) broker.NewJob {
	job := given(id)
	switch rapid.IntRange(0, 4).Draw(rt, "kind") {
	case 0:
		job.LIFO = true
	case 1:
		job.Priority = rapid.IntRange(1, 3).Draw(rt, "priority")
	case 2:
		job.Delay = drawDelay(rt)
	case 3:
		job.Delay, job.Priority = drawDelay(rt), rapid.IntRange(1, 3).Draw(rt, "priority")
	}
	return job
}

func drawDelay(rt *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(1, 4).Draw(rt, "delay")) * time.Second
}

func (p *pair) adds(rt *rapid.T) {
	batch := make([]broker.NewJob, 0, 4)
	want := []bool{}
	seen := map[string]bool{}
	for range rapid.IntRange(1, 4).Draw(rt, "jobs") {
		id := p.anyID(rt)
		if seen[id] { // twice in one call: see the script's scenarios
			continue
		}
		seen[id] = true
		batch = append(batch, drawJob(rt, id))
	}
	for _, job := range batch {
		want = append(want, p.model.add(job))
	}
	p.maybeLose(rt)
	got, err := p.broker().Add(p.ctx, batch)
	agree(rt, "add", nil, err)
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("add says (-model +queue):\n%s", diff)
	}
}

func (p *pair) fetch(rt *rapid.T) broker.Fetch {
	p.calls++
	return broker.Fetch{
		Token: fmt.Sprintf("t%d", p.calls), LockFor: lease, Want: rapid.IntRange(0, 4).Draw(rt, "want"), Worker: "w",
		Heed: rapid.Bool().Draw(rt, "heed"),
	}
}

func (p *pair) takes(rt *rapid.T) { p.settleAll(rt, nil, p.fetch(rt)) }

func (p *pair) settles(rt *rapid.T) {
	var outcomes []broker.Outcome
	for _, id := range p.model.active {
		if rapid.Bool().Draw(rt, "ends") {
			outcomes = append(outcomes, p.drawOutcome(rt, id))
		}
	}
	p.settleAll(rt, outcomes, p.fetch(rt))
}

func (p *pair) drawOutcome(rt *rapid.T, id string) broker.Outcome {
	j := p.model.jobs[id]
	kind := rapid.SampledFrom([]broker.Kind{
		broker.Completed, broker.Completed, broker.Failed, broker.Retry, broker.RetryFirst, broker.Backoff, broker.Snooze, broker.Release,
	}).Draw(rt, "outcome")
	o := outcome(kind, id)
	o.Token, o.Made, o.Stalled, o.Delay = j.lock, j.atm, j.stc, drawDelay(rt)
	o.Keep = &jobs.Retention{Count: keepCount, None: rapid.IntRange(0, 5).Draw(rt, "keep") == 0}
	switch {
	case o.Token == "":
		o.Token = "a dead worker's"
	case rapid.IntRange(0, 7).Draw(rt, "zombie") == 0: // the job was taken back from it since
		o.Token, o.Stalled = "a zombie's", j.stc-1
	}
	return o
}

func (p *pair) settleAll(rt *rapid.T, outcomes []broker.Outcome, by broker.Fetch) {
	wantErrs, wantTaken := p.model.settle(outcomes, by)
	if p.maybeLose(rt) { // the second sending takes what more it wants
		rest := by
		rest.Want -= len(wantTaken)
		wantTaken = append(wantTaken, p.model.take(rest)...)
	}
	p.evictAfter(outcomes, wantErrs)
	got, err := p.broker().Settle(p.ctx, outcomes, by)
	agree(rt, "settle", nil, err)
	for i, result := range got.Results {
		agree(rt, "end "+outcomes[i].ID, wantErrs[i], result)
	}
	ids := []string(nil)
	for _, taken := range got.Taken {
		ids = append(ids, taken.ID)
	}
	if diff := cmp.Diff(wantTaken, ids); diff != "" {
		rt.Fatalf("settle took (-model +queue):\n%s", diff)
	}
	ready := len(p.wait)+len(p.ranked) > 0 && !p.paused
	maxed := p.concurrency > 0 && len(p.model.active) >= p.concurrency
	// A call that does not heed may not have looked.
	if want := ready && !maxed && got.Limited == 0; got.Left != want && (got.Left || by.Heed) {
		rt.Fatalf("left is %t, the model says %t", got.Left, want)
	}
}

// evictAfter removes what the policies of the recorded outcomes do not keep.
func (p *pair) evictAfter(outcomes []broker.Outcome, errs []error) {
	for i, o := range outcomes {
		if errs[i] != nil || o.Keep.None {
			continue
		}
		switch o.Kind {
		case broker.Completed:
			p.evict(p.completed, keepCount)
		case broker.Failed:
			p.evict(p.failed, keepCount)
		}
	}
}

func (p *pair) timePasses(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 30_000).Draw(rt, "ms")) * time.Millisecond
	p.pass(d)
	p.model.now += d.Milliseconds()
}

func (p *pair) workerDies(rt *rapid.T) {
	for _, id := range p.model.active {
		if rapid.Bool().Draw(rt, "lost") {
			p.die(id)
			p.model.jobs[id].lock = ""
		}
	}
}

func (p *pair) sweeps(rt *rapid.T) {
	by := rule(rapid.SampledFrom([]int{-1, 0, 1}).Draw(rt, "limit"))
	if told := rapid.IntRange(-5_000, 5_000).Draw(rt, "told"); told > -5_000 {
		by.Due = time.UnixMilli(p.model.now).Add(time.Duration(told) * time.Millisecond)
	}
	want := p.model.sweep(by)
	swept, err := p.broker().Sweep(p.ctx, by)
	agree(rt, "sweep", nil, err)
	if diff := cmp.Diff(want, append([]string(nil), swept.Recovered...)); diff != "" {
		rt.Fatalf("sweep gave back (-model +queue):\n%s", diff)
	}
}

func (p *pair) renews(rt *rapid.T) {
	var leases []broker.Lease
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(p.ids()), 1, 3, rapid.ID).Draw(rt, "leases") {
		l := broker.Lease{ID: id, Token: fmt.Sprintf("t%d", rapid.IntRange(1, max(1, p.calls)).Draw(rt, "token")), Started: 1}
		if j := p.model.jobs[id]; j != nil && rapid.Bool().Draw(rt, "own") {
			l.Started = j.ats
			if j.lock != "" {
				l.Token = j.lock
			}
		}
		leases = append(leases, l)
	}
	want := p.model.renew(leases)
	p.maybeLose(rt)
	got, err := p.broker().Renew(p.ctx, leases, lease)
	agree(rt, "renew", nil, err)
	for i := range got {
		agree(rt, "renew "+leases[i].ID, want[i], got[i])
	}
}

func (p *pair) promotes(rt *rapid.T) {
	id := p.anyID(rt)
	want := p.model.promote(id)
	if want == nil {
		p.maybeLose(rt)
	}
	agree(rt, "promote", want, p.broker().Promote(p.ctx, id))
}

func (p *pair) retries(rt *rapid.T) {
	id := p.anyID(rt)
	from := rapid.SampledFrom([]jobs.State{jobs.Completed, jobs.Failed}).Draw(rt, "from")
	reset := broker.Reset{Made: rapid.Bool().Draw(rt, "made"), Started: rapid.Bool().Draw(rt, "started")}
	front := rapid.Bool().Draw(rt, "front")
	want := p.model.retry(id, from, reset, front)
	if want == nil {
		p.maybeLose(rt)
	}
	agree(rt, "retry", want, p.broker().Retry(p.ctx, id, from, reset, front))
}

func (p *pair) retriesMany(rt *rapid.T) {
	from := rapid.SampledFrom([]jobs.State{jobs.Completed, jobs.Failed, jobs.Delayed}).Draw(rt, "from")
	n := rapid.IntRange(1, 5).Draw(rt, "n")
	want := p.model.retryMany(from, n)
	got, err := p.broker().RetryMany(p.ctx, from, time.Time{}, n)
	agree(rt, "retry many", nil, err)
	if got != want {
		rt.Fatalf("retry many moved %d, the model %d", got, want)
	}
}

func (p *pair) changesDelay(rt *rapid.T) {
	id, delay := p.anyID(rt), drawDelay(rt)
	agree(rt, "change delay", p.model.changeDelay(id, delay.Milliseconds()), p.broker().ChangeDelay(p.ctx, id, delay))
}

func (p *pair) changesPriority(rt *rapid.T) {
	id, priority, front := p.anyID(rt), rapid.IntRange(0, 3).Draw(rt, "priority"), rapid.Bool().Draw(rt, "front")
	agree(rt, "change priority", p.model.changePriority(id, int64(priority), front), p.broker().ChangePriority(p.ctx, id, priority, front))
}

func (p *pair) removes(rt *rapid.T) {
	id := p.anyID(rt)
	want := p.model.remove(id)
	if want == nil {
		p.maybeLose(rt)
	}
	agree(rt, "remove", want, p.broker().Remove(p.ctx, id, false))
}

func (p *pair) pauses(rt *rapid.T) {
	if p.paused {
		p.paused = false
		agree(rt, "resume", nil, p.broker().Resume(p.ctx))
		return
	}
	p.paused = true
	changed, err := p.broker().Pause(p.ctx)
	agree(rt, "pause", nil, err)
	if !changed {
		rt.Fatalf("pause says the queue was paused")
	}
}

// changesSettings writes as Node's setters do, and wakes the workers, which the
// setters leave to the workers' own polls.
func (p *pair) changesSettings(rt *rapid.T) {
	switch rapid.IntRange(0, 4).Draw(rt, "setting") {
	case 0:
		p.concurrency = rapid.IntRange(1, 3).Draw(rt, "concurrency")
		p.do(fmt.Sprintf("hset Q:meta concurrency %d", p.concurrency))
	case 1:
		p.concurrency = 0
		p.do("hdel Q:meta concurrency")
	case 2:
		p.max = rapid.IntRange(1, 5).Draw(rt, "max")
		p.do(fmt.Sprintf("hset Q:meta max %d duration 3600000", p.max))
	case 3:
		p.max = 0
		p.do("hdel Q:meta max duration")
	case 4:
		p.used = 0
		p.do("del Q:limiter")
	}
	if !p.paused {
		p.do("zadd Q:marker 0 0")
	}
}

func (p *pair) drainsOrCleans(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "seldom") > 0 {
		return
	}
	if rapid.Bool().Draw(rt, "drain") {
		delayed := rapid.Bool().Draw(rt, "delayed")
		want := p.model.drain(delayed)
		got, err := p.broker().Drain(p.ctx, delayed)
		agree(rt, "drain", nil, err)
		if got != want {
			rt.Fatalf("drain removed %d, the model %d", got, want)
		}
		return
	}
	state := rapid.SampledFrom([]jobs.State{jobs.Completed, jobs.Failed, jobs.Prioritized}).Draw(rt, "state")
	want := p.model.clean(state)
	got, err := p.broker().Clean(p.ctx, state, p.now(), 0)
	agree(rt, "clean", nil, err)
	if diff := cmp.Diff(append([]string(nil), want...), append([]string(nil), got...)); diff != "" {
		rt.Fatalf("clean removed (-model +queue):\n%s", diff)
	}
}
