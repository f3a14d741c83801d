package broker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/redistest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// epoch is when every story begins.
var epoch = time.UnixMilli(1_800_000_000_000)

// lease is how long the tests' locks hold: longer than any test.
const lease = time.Minute

// fixture is a queue of its own on one server, and short words for what tests
// do to it.
type fixture struct {
	testing.TB
	ctx      context.Context
	client   redis.UniversalClient
	keys     wire.Keys
	lossy    *lossyHook
	now      time.Time
	sweepDue time.Time // when the latest sweep said that the next one is due
}

func newFixture(tb testing.TB, server *redistest.Server) *fixture {
	tb.Helper()
	client := server.Client(tb)
	f := &fixture{
		TB: tb, ctx: tb.Context(), client: client, lossy: &lossyHook{},
		keys: wire.NewKeys(server.Prefix(tb), "q"), now: epoch,
	}
	client.AddHook(f.lossy)
	return f
}

// broker is one whose clock shows the story's time.
func (f *fixture) broker() *broker.Broker { return broker.New(f.client, f.keys).At(f.now) }

// pass lets time go by.
func (f *fixture) pass(d time.Duration) { f.now = f.now.Add(d) }

// do sends commands written as in redis-cli, with Q: for the queue's base.
// Words are separated by single spaces.
func (f *fixture) do(commands ...string) {
	f.Helper()
	for _, command := range commands {
		var args []any
		for word := range strings.FieldsSeq(command) {
			args = append(args, strings.ReplaceAll(word, "Q:", f.keys.Base()))
		}
		if err := f.client.Do(f.ctx, args...).Err(); err != nil && !errors.Is(err, redis.Nil) {
			f.Fatalf("%s: %v", command, err)
		}
	}
}

func (f *fixture) hset(id string, pairs ...any) {
	f.Helper()
	if err := f.client.HSet(f.ctx, f.keys.Job(id), pairs...).Err(); err != nil {
		f.Fatal(err)
	}
}

// newJob is a job as queue makes them; its data tells it from others.
func newJob(id string) broker.NewJob {
	return broker.NewJob{
		ID: id, Name: "work", Data: []byte(`{"job":"` + id + `"}`), Options: []byte(`{"attempts":3}`),
	}
}

func ranked(id string, priority int) broker.NewJob {
	job := newJob(id)
	job.Priority = priority
	return job
}

func late(id string, delay time.Duration) broker.NewJob {
	job := newJob(id)
	job.Delay = delay
	return job
}

func given(id string) broker.NewJob {
	job := newJob(id)
	job.Given = true
	return job
}

func first(id string) broker.NewJob {
	job := newJob(id)
	job.LIFO = true
	return job
}

func (f *fixture) add(list ...broker.NewJob) {
	f.Helper()
	if _, err := f.broker().Add(f.ctx, list); err != nil {
		f.Fatal(err)
	}
}

// fetch asks for n jobs under a token.
func fetch(token string, n int) broker.Fetch {
	return broker.Fetch{Token: token, LockFor: lease, Want: n, Worker: "w1", Heed: true}
}

// take takes n jobs under a token and fails when there are fewer.
func (f *fixture) take(token string, n int) {
	f.Helper()
	settled, err := f.broker().Settle(f.ctx, nil, fetch(token, n))
	if err != nil || len(settled.Taken) != n {
		f.Fatalf("took %d of %d jobs: %v", len(settled.Taken), n, err)
	}
}

// active adds plain jobs and takes them.
func (f *fixture) active(token string, ids ...string) {
	f.Helper()
	for _, id := range ids {
		f.add(newJob(id))
	}
	f.take(token, len(ids))
}

// outcome ends the first attempt of a job taken under token t.
func outcome(kind broker.Kind, id string) broker.Outcome {
	o := broker.Outcome{Kind: kind, ID: id, Token: "t", MaxAttempts: 3}
	switch kind {
	case broker.Completed:
		o.Value = `{"ok":true}`
	case broker.Failed, broker.Retry, broker.RetryFirst, broker.Backoff:
		o.Value, o.Stack = "it broke", `["at work"]`
	}
	return o
}

func (f *fixture) settle(want int, list ...broker.Outcome) any {
	return f.settleBy(fetch("t2", want), list...)
}

func (f *fixture) settleBy(by broker.Fetch, list ...broker.Outcome) any {
	settled, err := f.broker().Settle(f.ctx, list, by)
	return answer(f.describe(settled), err)
}

func (f *fixture) describe(s broker.Settled) string {
	var b strings.Builder
	for _, err := range s.Results {
		fmt.Fprintf(&b, "result %v\n", err)
	}
	for _, taken := range s.Taken {
		job, corrupt := taken.Load()
		fmt.Fprintf(&b, "taken %s attempt %d made %d stalled %d token %s corrupt %v\n", job.ID,
			taken.Started, job.AttemptsMade, job.StalledCount, taken.Token, corrupt)
		if job.AttemptsStarted != taken.Started {
			fmt.Fprintf(&b, "its record says %d attempts were started\n", job.AttemptsStarted)
		}
	}
	if !s.NextDue.IsZero() {
		fmt.Fprintf(&b, "next due in %s\n", s.NextDue.Sub(f.now))
	}
	fmt.Fprintf(&b, "limited %t, left %t", s.Limited > 0, s.Left)
	return b.String()
}

// answer joins what a call returned with its error.
func answer(result any, err error) any {
	if err != nil {
		return fmt.Sprintf("error %v", err)
	}
	return result
}

func onlyErr(err error) any { return answer("done", err) }

// scenario is one promise of a script.
type scenario struct {
	name  string
	given func(f *fixture)     // nil is an empty queue
	when  func(f *fixture) any // returns what the call answered

	allow invariant.Options // what given did to the queue on purpose

	// How a second sending of the same call may differ from one sending.
	tellsTwice bool // events are told again
	differs    bool // it is another call by then; see the script's header
}

// tell runs a scenario and returns its picture: the answer, then all keys.
func (s *scenario) tell(f *fixture) (reply, state, all string) {
	f.Helper()
	if s.given != nil {
		s.given(f)
	}
	f.lossy.arm()
	reply = fmt.Sprintln(s.when(f))
	f.lossy.disarm()
	invariant.Must(f, f.client, f.keys, s.allow)
	reply = strings.ReplaceAll(reply, f.keys.Base(), "Q:")
	return reply, invariant.DumpState(f, f.client, f.keys), invariant.Dump(f, f.client, f.keys)
}

// tellAll runs the scenarios of one script on both servers and compares the
// pictures with testdata; and once more with the first reply lost, which must
// make no difference.
func tellAll(t *testing.T, script string, scenarios []scenario) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", script, strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(s.name)+".golden")
			redistest.Each(t, func(t *testing.T, server *redistest.Server) {
				reply, state, all := s.tell(newFixture(t, server))
				golden(t, file, reply+"\n"+all)
				if !s.differs {
					s.tellLossy(t, server, reply, state, all)
				}
			})
		})
	}
}

func (s *scenario) tellLossy(t *testing.T, server *redistest.Server, reply, state, all string) {
	t.Helper()
	f := newFixture(t, server)
	f.lossy.loss = 1
	againReply, againState, againAll := s.tell(f)
	if f.lossy.lost.Load() != 1 {
		t.Fatalf("lost %d replies, wanted to lose one", f.lossy.lost.Load())
	}
	if diff := cmp.Diff(reply, againReply); diff != "" {
		t.Errorf("the answer when the first reply was lost (-once +twice):\n%s", diff)
	}
	if s.tellsTwice {
		all, againAll = state, againState
	}
	if diff := cmp.Diff(all, againAll); diff != "" {
		t.Errorf("the queue when the first reply was lost (-once +twice):\n%s", diff)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run the tests with -update to make it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// lossyHook loses replies of scripts: the server has run them, and the client
// sees a connection that ended.
type lossyHook struct {
	loss int32 // how many replies to lose after arm
	left atomic.Int32
	lost atomic.Int32
}

func (h *lossyHook) arm()    { h.left.Store(h.loss) }
func (h *lossyHook) disarm() { h.left.Store(0) }

func (h *lossyHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *lossyHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return next(ctx, cmds) }
}

func (h *lossyHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		isScript := strings.HasPrefix(cmd.Name(), "eval")
		if !isScript || err != nil && !errors.Is(err, redis.Nil) || h.left.Load() <= 0 {
			return err
		}
		h.left.Add(-1)
		h.lost.Add(1)
		cmd.SetErr(io.EOF)
		return io.EOF
	}
}

// newSibling is another queue under the same prefix.
func newSibling(f *fixture, queue string) *fixture {
	prefix, _, _ := strings.Cut(f.keys.Base(), ":")
	sibling := *f
	sibling.keys = wire.NewKeys(prefix, queue)
	return &sibling
}

// eachFixture runs a test on a queue of each server.
func eachFixture(t *testing.T, test func(t *testing.T, f *fixture)) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) { test(t, newFixture(t, server)) })
}

// newFixtureKeys are keys of another queue under the fixture's prefix.
func newFixtureKeys(f *fixture, queue string) wire.Keys { return newSibling(f, queue).keys }
