package peers_test

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/ledger"
	"github.com/tandemq/tandem/proof/storm"
)

// scene is one experiment, the same for each peer.
type scene struct {
	workers int
	orders  []orders                   // of each producer
	lossy   bool                       // replies to producers are lost, one in a hundred
	stocked bool                       // the faults begin when all jobs are added and the first one runs
	plan    func(s *stage) *storm.Plan // nil for no faults
	// patience is how long the queue may take to become empty when all has healed.
	patience time.Duration
}

// stage is a scene with one peer on it.
type stage struct {
	site      *storm.Site
	workers   []*storm.Program
	producers []*storm.Program
}

// outcome is what came of it.
type outcome struct {
	*check.Report
	again int // effects done once more although their worker had been well
	lost  int // replies to producers
}

// play runs the scene and judges.
func (sc scene) play(t *testing.T, p *peer) outcome {
	t.Helper()
	p.need(t)
	s := &stage{site: storm.New(t, storm.Setup{})}
	for range sc.workers {
		s.workers = append(s.workers, s.site.Keep(p.name+" worker", func(url string) []string {
			return p.line("work", url, s.site.Dir(), p.work)
		}))
	}
	ended := make(chan struct{}, len(sc.orders))
	for _, o := range sc.orders {
		s.producers = append(s.producers, s.site.Keep(p.name+" producer", s.once(t, p, o, ended)))
	}
	if sc.lossy {
		s.lose(s.producers)
	}
	added := 0
	if sc.stocked {
		added = awaitEnds(t, ended, len(sc.orders))
		s.awaitStart(t)
	}
	if sc.plan != nil {
		s.site.Run(t.Context(), sc.plan(s))
	}
	awaitEnds(t, ended, len(sc.orders)-added)
	s.drain(t, p, sc.patience)
	report := s.judge(t, p)
	n, err := again(ledger.ReadDir(s.site.Dir()))
	must(t, err)
	return outcome{report, n, s.cuts()}
}

// once is the line of a producer, which is not started again when it has ended.
func (s *stage) once(t *testing.T, p *peer, o orders, ended chan<- struct{}) func(string) []string {
	flags, started := p.produce(t, s.site.Dir(), o), false
	return func(url string) []string {
		if started {
			ended <- struct{}{}
			return nil
		}
		started = true
		return p.line("produce", url, s.site.Dir(), flags)
	}
}

// adding is how long producers may take, outages included.
const adding = 5 * time.Minute

func awaitEnds(t *testing.T, ended <-chan struct{}, n int) int {
	t.Helper()
	limit := time.NewTimer(adding)
	defer limit.Stop()
	for range n {
		select {
		case <-ended:
		case <-limit.C:
			t.Fatal("a producer does not come to its end")
		}
	}
	return n
}

// awaitStart waits until a worker has begun to work.
func (s *stage) awaitStart(t *testing.T) {
	t.Helper()
	started := await(t, time.Minute, func() bool {
		for e, err := range ledger.ReadDir(s.site.Dir()) {
			must(t, err)
			if e.Kind == ledger.Start {
				return true
			}
		}
		return false
	})
	if !started {
		t.Fatal("no job has started")
	}
}

// drain waits until the queue is empty. What is left then has not finished in
// time, which the checker will say.
func (s *stage) drain(t *testing.T, p *peer, patience time.Duration) {
	t.Helper()
	client := s.site.Server.Client(t)
	empty := await(t, patience, func() bool {
		n, err := p.left(t.Context(), client)
		must(t, err)
		return n == 0
	})
	if !empty {
		t.Logf("%s: not empty after %s", p.name, patience)
	}
}

// await polls until done says so, at most for patience, and reports whether it did.
func await(t *testing.T, patience time.Duration, done func() bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// grace is how long a process may take to end before it is killed, as Kubernetes
// does it by default.
const grace = 30 * time.Second

// judge stops all processes and looks at what they and Redis tell.
func (s *stage) judge(t *testing.T, p *peer) *check.Report {
	t.Helper()
	killed := time.AfterFunc(grace, func() {
		for _, w := range s.workers {
			if err := w.Signal(syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	})
	s.site.Close()
	if !killed.Stop() {
		t.Logf("%s: a worker did not end within %s of SIGTERM", p.name, grace)
	}
	for _, problem := range s.site.Problems() {
		t.Logf("%s: %s", p.name, problem)
	}
	if n := len(s.site.Problems()); n > 0 && p.name == "Tandem" {
		t.Errorf("%d problems of ours", n)
	}
	c, err := p.census(t.Context(), s.site.Server.Client(t))
	must(t, err)
	report, err := check.Check(ledger.ReadDir(s.site.Dir()), c, check.Rules{Shutdown: grace})
	must(t, err)
	t.Logf("%s\n%s", p.name, report)
	return report
}

// cuts is how many replies to producers were lost.
func (s *stage) cuts() (n int) {
	for _, p := range s.producers {
		n += p.Proxy().Cuts()
	}
	return n
}

// lose lets one in a hundred replies to scripts get lost from now on, each
// program with a chance of its own.
func (s *stage) lose(programs []*storm.Program) {
	for i, p := range programs {
		p.Proxy().OnRequest(losing(rand.New(rand.NewPCG(*seed, uint64(i))), 0.01))
	}
}
