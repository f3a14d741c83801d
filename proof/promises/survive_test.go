package promises_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/census"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/promises"
)

// world is a Redis and what can happen to it.
type world struct {
	options redisconn.Options
	faults  []inject.Fault
	// forgets: what Redis accepted of outcomes can be lost, since it is replicated
	// later; such a job runs again, and ends again.
	forgets bool
}

// worlds are all faults of servers, disks and networks, each where it can happen.
func worlds() map[string]func(*testing.T) world {
	second, moment := exactly(time.Second), exactly(100*time.Millisecond)
	return map[string]func(*testing.T) world{
		"server": func(t *testing.T) world {
			s := redistest.Own(t, redistest.Options{Config: durable()})
			return world{options: redisconn.Options{URL: s.URL}, faults: []inject.Fault{
				inject.Crash(s, second), inject.Sleep(s, second), inject.Disconnect(s), inject.DisconnectOne(s), inject.Forget(s, second),
				inject.Freeze(s, exactly(1500*time.Millisecond)), inject.Full(s, second), inject.Load(s, second), inject.Busy(s, second),
			}}
		},
		"disk": func(t *testing.T) world {
			d := inject.NewDisk(t, durable()...)
			return world{options: redisconn.Options{URL: d.URL}, faults: []inject.Fault{
				d.PowerCut(false), d.FailedSync(second), d.FailedWrite(second), d.SlowSync(moment, second),
			}}
		},
		"small disk": func(t *testing.T) world {
			d := inject.NewSmallDisk(t, 64, durable()...)
			return world{options: redisconn.Options{URL: d.URL}, faults: []inject.Fault{d.Full(second)}}
		},
		"network": func(t *testing.T) world {
			n := inject.NewNetwork(t, durable()...)
			return world{options: redisconn.Options{URL: n.URL}, faults: []inject.Fault{
				n.HalfOpen(second, false), n.HalfOpen(second, true), n.HalfOpen(exactly(7*time.Second), false),
			}}
		},
		"proxy": func(t *testing.T) world {
			p := redistest.Proxy(t, redistest.Own(t, redistest.Options{Config: durable()}).Server)
			return world{options: redisconn.Options{URL: p.URL}, faults: []inject.Fault{
				inject.Stall(p, second), inject.Slow(p, redistest.Pace{Delay: 50 * time.Millisecond}, second),
				inject.Slow(p, redistest.Pace{BytesPerSecond: 20_000}, second),
			}}
		},
		"sentinel": func(t *testing.T) world {
			g := redistest.Sentinel(t, durable()...)
			return world{
				options: redisconn.Options{Addrs: g.Addrs, MasterName: redistest.MasterName, Replicas: 2},
				faults:  everyKind(g)[:3], forgets: true,
			}
		},
		"cluster": func(t *testing.T) world {
			c := redistest.ReplicatedCluster(t, durable()...)
			key := record().Key("meta")
			return world{options: redisconn.Options{Addrs: c.Addrs, Cluster: true, Replicas: 1}, faults: []inject.Fault{
				inject.NodeFailover(c, key), inject.ZombieNode(c, key),
			}, forgets: true}
		},
		"moving slots": func(t *testing.T) world {
			c := redistest.ReplicatedCluster(t, durable()...)
			return world{options: redisconn.Options{Addrs: c.Addrs, Cluster: true}, faults: []inject.Fault{
				inject.Migrate(c, record().Key("meta")), inject.Migrate(c, record().Key("meta")),
			}}
		},
	}
}

func exactly(d time.Duration) inject.Span { return inject.Span{Min: d, Max: d} }

func durable() []string { return append(inject.Config(), "appendonly yes", "appendfsync always") }

// survived is what was counted in all worlds.
type survived struct {
	mu                   sync.Mutex // guards the fields below
	worlds, jobs, faults int

	lost    int // accepted, and not completed
	stuck   int // neither ended nor lost
	doubled int // outcomes that were accepted again
	broken  int // ids without a hash or a place, or with two places
	errors  int // of adds, that did not say that Redis was away
}

func (s *survived) wrong() int { return s.lost + s.stuck + s.doubled + s.broken + s.errors }

// Every fault of package inject, under load: what was accepted is done, once, and
// everybody goes on by themselves afterwards.
func TestEveryFaultIsSurvived(t *testing.T) {
	t.Parallel()
	var all survived
	places := worlds()
	t.Run("in", func(t *testing.T) {
		for name, make := range places {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := make(t)
				p := newPair(t, w.options)
				for round := range sized(1, 10) {
					tell(t, "round %d", round+1)
					for _, fault := range w.faults {
						p.through(t, fault)
					}
				}
				p.count(t, w, &all)
			})
		}
	})
	report(t, all.row(len(places)))
}

// row holds when nothing is wrong in so many worlds. Where a machine does not
// allow one of them, which is skipped then, the promise is not shown.
func (s *survived) row(worlds int) promises.Row {
	row := promises.Row{
		Name: "faults of server, disk and network", Goal: "0 lost, 0 stuck, 0 ended twice, 0 broken records, 0 wrong errors",
		Measured: fmt.Sprintf("%d lost, %d stuck, %d ended twice, %d broken records, %d wrong errors",
			s.lost, s.stuck, s.doubled, s.broken, s.errors),
		N: s.jobs, Of: fmt.Sprintf("jobs in %d faults", s.faults), Holds: s.wrong() == 0 && s.worlds == worlds,
	}
	if s.worlds < worlds {
		row.Measured += fmt.Sprintf(", in %d of %d worlds", s.worlds, worlds)
		row.Tolerated = s.wrong() == 0 && s.jobs > 0
	}
	return row
}

// pair is what a service does: adding, and running, from different processes.
type pair struct {
	conn     *redisconn.Conn
	producer *producer
	ran      atomic.Int64
	faults   int

	mu    sync.Mutex // guards ended
	ended map[string]int
}

func newPair(t *testing.T, o redisconn.Options) *pair {
	t.Helper()
	p := &pair{conn: open(t, o), ended: map[string]int{}}
	keep := &jobs.Retention{Count: 1 << 20}
	for range 2 {
		work(t, open(t, o), worker.Options{Concurrency: 5, KeepCompleted: keep, OnAttempt: p.attempt}, func(ctx context.Context, _ *worker.Task) (any, error) {
			p.ran.Add(1)
			return nil, wait(ctx, 2*time.Millisecond)
		})
	}
	p.producer = producePaced(t, 5*time.Millisecond, 4, newQueue(t, open(t, o)))
	p.go100(t)
	return p
}

func (p *pair) attempt(a worker.Attempt) {
	if a.Status != worker.StatusCompleted {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[a.Job.ID]++
}

// go100 waits until the pair has added and run another hundred jobs.
func (p *pair) go100(t *testing.T) {
	t.Helper()
	ran := p.ran.Load() + 100
	p.producer.more(t, 100)
	eventually(t, time.Minute, "another hundred jobs to run", func() bool { return p.ran.Load() >= ran })
}

func (p *pair) through(t *testing.T, fault inject.Fault) {
	t.Helper()
	p.faults++
	t.Log(fault.Name)
	must(t, fault.Do(t.Context(), chance(t)))
	p.go100(t)
}

// count ends the adding, waits until there is nothing left to do, and counts.
func (p *pair) count(t *testing.T, w world, all *survived) {
	t.Helper()
	p.producer.end()
	ids := p.producer.take()
	stuck := p.drain(t)
	gone := unfinished(t, p.conn.UniversalClient, ids)
	if len(gone) > 0 {
		t.Errorf("%d of %d accepted jobs are not completed: %v …", len(gone), len(ids), gone[0])
	}
	unexpected := p.producer.unexpected()
	if len(unexpected) > 0 {
		t.Errorf("%d adds failed otherwise than because Redis was away: %v", len(unexpected), unexpected[0])
	}
	broken := p.broken(t)
	if len(broken) > 0 {
		t.Errorf("%d broken records: %s …", len(broken), broken[0])
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.worlds, all.jobs, all.faults = all.worlds+1, all.jobs+len(ids), all.faults+p.faults
	all.lost, all.stuck = all.lost+len(gone), all.stuck+int(stuck)
	all.broken, all.errors = all.broken+len(broken), all.errors+len(unexpected)
	if !w.forgets {
		all.doubled += p.twice()
	}
}

// drain waits until nothing waits or runs, and returns how much does after all.
func (p *pair) drain(t *testing.T) (left int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for left = inLine(t, p.conn.UniversalClient); left > 0 && ctx.Err() == nil; left = inLine(t, p.conn.UniversalClient) {
		_ = wait(ctx, 20*time.Millisecond) // the loop ends with the context
	}
	return left
}

// broken tells what is wrong with the records that are left.
func (p *pair) broken(t *testing.T) (what []string) {
	t.Helper()
	client := p.conn.UniversalClient
	if cluster, ok := client.(*redis.ClusterClient); ok { // SCAN looks at one node
		node, err := cluster.MasterForKey(t.Context(), record().Key("meta"))
		must(t, err)
		client = node
	}
	c, err := census.Take(t.Context(), client, record().Prefix, record().Queue)
	must(t, err)
	for id := range c.Hashes {
		if len(c.Places[id]) != 1 {
			what = append(what, fmt.Sprintf("job %s is in %v", id, c.Places[id]))
		}
	}
	for id, places := range c.Places {
		if !c.Hashes[id] {
			what = append(what, fmt.Sprintf("id %s is in %v and has no hash", id, places))
		}
	}
	return append(what, c.Strange...)
}

// twice is how many jobs had their outcome accepted more than once.
func (p *pair) twice() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, times := range p.ended {
		n += max(times-1, 0)
	}
	return n
}

// inLine is how many ids wait or run.
func inLine(t *testing.T, client redis.UniversalClient) (n int64) {
	t.Helper()
	pipe := client.Pipeline()
	counts := []*redis.IntCmd{
		pipe.LLen(t.Context(), record().Key("wait")), pipe.LLen(t.Context(), record().Key("active")),
		pipe.ZCard(t.Context(), record().Key("prioritized")), pipe.ZCard(t.Context(), record().Key("delayed")),
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Logf("count what is left: %v", err)
		return 1
	}
	for _, count := range counts {
		n += count.Val()
	}
	return n
}

// unfinished are the ids that are not among the completed jobs.
func unfinished(t *testing.T, client redis.UniversalClient, ids []string) (gone []string) {
	t.Helper()
	for group := range slices.Chunk(ids, 1000) {
		pipe := client.Pipeline()
		places := make([]*redis.FloatCmd, len(group))
		for i, id := range group {
			places[i] = pipe.ZScore(t.Context(), record().Key("completed"), id)
		}
		if _, err := pipe.Exec(t.Context()); err != nil && !errors.Is(err, redis.Nil) {
			t.Fatalf("look for jobs: %v", err)
		}
		for i, id := range group {
			if places[i].Err() != nil {
				gone = append(gone, id)
			}
		}
	}
	return gone
}
