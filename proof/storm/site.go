package storm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/proof/census"
	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/ledger"
)

// Setup says what stands on a site.
type Setup struct {
	Subject string        // the program
	Ground  *Ground       // where Redis is; nil is a server of the site's own, behind proxies
	Scripts fs.FS         // the queue's scripts that it has; nil for those of this tree
	Lease   time.Duration // 0 is what is shipped
	Workers int           // processes
	Work    []string      // further flags of each worker
	// Extra are command lines of further workers, of other makes.
	Extra []func(url, dir string) []string

	Producers int
	Produce   []string // further flags of each producer
	// Chunk is how many jobs one producer process adds, and Chunks how many such
	// processes have to come to their end.
	Chunk, Chunks int
	// Steady lets producers go on for as long as the plan happens, however many
	// have come to their end.
	Steady bool

	Rules check.Rules
	// Patience is how long nothing may end, when all has healed, and a tenth of how
	// long it may take altogether (jobs may end again and again), before what is
	// left is called stuck.
	Patience time.Duration

	// Dir is where the ledgers go, and stay; "" is a directory of the test's own.
	Dir string
	// Tell hears every so often how far the storm is; nil is nobody.
	Tell func(string)
}

const queue = "storm"

// Site is a Redis and the processes around it.
type Site struct {
	Server *inject.Disk // nil where the ground is another

	tb       testing.TB
	setup    Setup
	dir      string
	book     *ledger.Writer
	scripts  map[string]string
	client   redis.UniversalClient
	prefix   string
	follower *follower

	workers    []*slot
	producers  []*slot
	programs   []*slot
	work       sync.WaitGroup // keepers of workers
	running    sync.WaitGroup // keepers of programs
	adding     sync.WaitGroup // keepers of producers
	following  sync.WaitGroup
	stopFollow context.CancelFunc

	chunks   atomic.Int64 // producer processes started
	done     atomic.Int64 // that came to their end
	struck   atomic.Int64 // faults that happened
	missed   atomic.Int64 // faults that found nothing to happen to
	stormed  atomic.Bool  // the plan is over
	mu       sync.Mutex   // guards problems
	problems []string
	trapping sync.Mutex // guards traps
	traps    map[*trap][]*slot
	ignored  sync.Map // ids that a fault broke
}

// ScriptsDir is where the queue's scripts are, seen from the packages of proof.
const ScriptsDir = "../../internal/jobs/internal/broker/scripts"

// New starts the server of a site and opens its books.
func New(tb testing.TB, setup Setup) *Site {
	tb.Helper()
	s := &Site{tb: tb, setup: setup, dir: setup.Dir, traps: map[*trap][]*slot{}}
	if s.dir == "" {
		s.dir = tb.TempDir()
	}
	if setup.Ground == nil {
		s.Server = inject.NewDisk(tb, durable()...)
		s.client, s.prefix = s.Server.Client(tb), "bull"
	} else {
		s.client, s.prefix = setup.Ground.client, setup.Ground.prefix
	}
	var err error
	if s.setup.Scripts == nil {
		s.setup.Scripts = os.DirFS(ScriptsDir)
	}
	s.setup.Lease = cmp.Or(s.setup.Lease, worker.DefaultLockDuration)
	if s.scripts, err = ScriptNames(s.setup.Scripts); err != nil {
		tb.Fatalf("storm: %v", err)
	}
	if s.book, err = ledger.Open(s.dir, "storm"); err != nil {
		tb.Fatalf("storm: %v", err)
	}
	if err := s.client.HSet(tb.Context(), s.base()+"meta", "opts.maxLenEvents", "500000").Err(); err != nil {
		tb.Fatalf("storm: %v", err)
	}
	s.follower = &follower{client: s.client, stream: s.base() + "events", book: s.book, last: "0", seen: map[eventID]struct{}{}}
	return s
}

// Start starts all processes. They run until Finish.
func (s *Site) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.stopFollow = cancel
	s.following.Go(func() { s.follower.follow(ctx) })
	if s.setup.Tell != nil {
		s.following.Go(func() { s.tell(ctx) })
	}
	for i := range s.setup.Workers {
		s.addWorker(fmt.Sprint("worker ", i), s.workLine)
	}
	for i, line := range s.setup.Extra {
		s.addWorker(fmt.Sprint("other worker ", i), func(url string) []string { return line(url, s.dir) })
	}
	for i := range s.setup.Producers {
		k := newSlot(s, fmt.Sprint("producer ", i), s.produceLine)
		k.done = func() { s.done.Add(1) }
		s.producers = append(s.producers, k)
		s.adding.Go(k.keep)
	}
}

func (s *Site) addWorker(role string, line func(url string) []string) {
	k := newSlot(s, role, line)
	s.workers = append(s.workers, k)
	s.work.Go(k.keep)
}

// base is what every key of the queue begins with.
func (s *Site) base() string { return s.prefix + ":" + queue + ":" }

func (s *Site) common(mode, url string) []string {
	line := []string{s.setup.Subject, mode, "-prefix", s.prefix, "-queue", queue, "-ledger", s.dir}
	if s.setup.Ground != nil {
		return append(line, s.setup.Ground.flags...)
	}
	return append(line, "-redis", url)
}

func (s *Site) workLine(url string) []string {
	return append(append(s.common("work", url), "-lock", s.setup.Lease.String()), s.setup.Work...)
}

// produceLine is the next chunk of jobs. A producer that was killed has left a
// part of its own undone, so others follow until enough have come to their end.
func (s *Site) produceLine(url string) []string {
	if s.produced() {
		return nil
	}
	n := s.chunks.Add(1)
	return append(append(s.common("produce", url),
		"-n", strconv.Itoa(s.setup.Chunk), "-name", fmt.Sprint("p", n), "-seed", strconv.FormatInt(n, 10)), s.setup.Produce...)
}

func (s *Site) produced() bool {
	return s.done.Load() >= int64(s.setup.Chunks) && (s.stormed.Load() || !s.setup.Steady)
}

// problem notes what no fault explains.
func (s *Site) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// Finish waits until the producers have come to their end and the queue is
// empty, stops everything in good order, and judges. The error is of a server, or
// of ledgers, that could not be read, so that nothing can be said.
func (s *Site) Finish(ctx context.Context) (*check.Report, error) {
	s.tb.Helper()
	s.awaitProducers()
	s.awaitEmpty(ctx)
	for _, k := range s.workers {
		if err := k.end(); err != nil {
			s.problem("%v", err)
		}
	}
	s.work.Wait()
	s.stopFollow()
	s.following.Wait()
	if err := s.follower.finish(ctx, !s.setup.Rules.Forgets); err != nil {
		s.problem("%v", err)
	}
	if err := s.book.Close(); err != nil {
		s.problem("%v", err)
	}
	return s.judge(ctx)
}

func (s *Site) judge(ctx context.Context) (*check.Report, error) {
	s.tb.Helper()
	client, err := s.holder(ctx)
	if err != nil {
		return nil, err
	}
	c, err := census.Take(ctx, client, s.prefix, queue)
	if err != nil {
		return nil, fmt.Errorf("take the census: %w", err)
	}
	rules := s.setup.Rules
	rules.Ignore = map[string]bool{}
	s.ignored.Range(func(id, _ any) bool {
		rules.Ignore[id.(string)] = true
		return true
	})
	report, err := check.Check(ledger.ReadDir(s.dir), c, rules)
	if err != nil {
		return nil, fmt.Errorf("read the ledgers: %w", err)
	}
	s.explain(report)
	return report, nil
}

// holder is a client of the one server that holds the queue.
func (s *Site) holder(ctx context.Context) (redis.UniversalClient, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.client, nil
	}
	node, err := cluster.MasterForKey(ctx, s.base()+"meta")
	if err != nil {
		return nil, fmt.Errorf("find who holds the queue: %w", err)
	}
	return node, nil
}

// explain shows what the ledgers tell of the first jobs that something is wrong
// with: they go with the test.
func (s *Site) explain(report *check.Report) {
	const most = 5
	var wrong []string
	for _, f := range report.Findings {
		if !slices.Contains(wrong, f.Job) && len(wrong) < most {
			wrong = append(wrong, f.Job)
		}
	}
	if len(wrong) == 0 {
		return
	}
	var told []ledger.Entry
	for e, err := range ledger.ReadDir(s.dir) {
		if err == nil && (slices.Contains(wrong, e.ID) || slices.Contains(wrong, e.Key) || e.Kind == ledger.Fault || e.Word == "gone" || e.Word == "stop") {
			told = append(told, e)
		}
	}
	slices.SortFunc(told, func(a, b ledger.Entry) int { return cmp.Compare(a.At, b.At) })
	for _, e := range told {
		s.tb.Logf("  %d: %s", e.Pid, &e)
	}
}

// Problems are what happened that no fault explains: a process that ended with
// an error, a fault that did not heal. Call it after Finish.
func (s *Site) Problems() []string { return s.problems }

// awaitProducers waits until the producers have come to their end. Where nothing
// is added and nothing ends any more, they are stopped and what there is is judged.
func (s *Site) awaitProducers() {
	ended := make(chan struct{})
	go func() {
		s.adding.Wait()
		close(ended)
	}()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	progress, since := s.progress(), time.Now()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
		if now := s.progress(); now != progress {
			progress, since = now, time.Now()
		}
		if time.Since(since) > s.setup.Patience+time.Minute {
			s.problem("the producers come to no end: %d of %d chunks are done", s.done.Load(), s.setup.Chunks)
			s.dismiss(s.producers)
			<-ended
			return
		}
	}
}

// progress grows whenever something is added or ends.
func (s *Site) progress() int64 { return s.done.Load() + s.follower.ends.Load() }

// dismiss stops processes that would not stop by themselves.
func (s *Site) dismiss(slots []*slot) {
	for _, k := range slots {
		if err := errors.Join(k.end(), k.signal(syscall.SIGKILL)); err != nil {
			s.problem("%v", err)
		}
	}
}

// awaitEmpty waits until nothing waits, runs or is put off. A queue in which no
// job ends for as long as the setup's patience is judged as it is, and so is one
// that comes to no end in ten times that: its jobs end again and again.
func (s *Site) awaitEmpty(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*s.setup.Patience)
	defer cancel()
	ends, since := s.follower.ends.Load(), time.Now()
	for ctx.Err() == nil && time.Since(since) < s.setup.Patience {
		if n, err := s.left(ctx); err == nil && n == 0 {
			return
		}
		if now := s.follower.ends.Load(); now != ends {
			ends, since = now, time.Now()
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// tell says how far the storm is, until ctx ends.
func (s *Site) tell(ctx context.Context) {
	begun := time.Now()
	for pause(ctx, tellEvery); ctx.Err() == nil; pause(ctx, tellEvery) {
		waiting := "?" // the server is away just now
		if n, err := s.left(ctx); err == nil {
			waiting = strconv.FormatInt(n, 10)
		}
		s.setup.Tell(fmt.Sprintf("%s: %d faults (%d found nothing to happen to), %d of %d chunks added, %d jobs ended, %s in line",
			time.Since(begun).Truncate(time.Second), s.struck.Load(), s.missed.Load(), s.done.Load(), s.setup.Chunks, s.follower.ends.Load(), waiting))
	}
}

// tellEvery is how often Setup.Tell hears something.
const tellEvery = 15 * time.Second

func (s *Site) left(ctx context.Context) (int64, error) {
	base := s.base()
	var counts []*redis.IntCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		counts = []*redis.IntCmd{
			p.LLen(ctx, base+"wait"), p.LLen(ctx, base+"active"), p.ZCard(ctx, base+"prioritized"), p.ZCard(ctx, base+"delayed"),
		}
		return nil
	})
	n := int64(0)
	for _, c := range counts {
		n += c.Val()
	}
	return n, err
}
