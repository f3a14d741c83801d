package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/redistest"
)

// proxied is a fixture whose client goes through a proxy that loses things.
func proxied(t *testing.T, server *redistest.Server) (*fixture, *redistest.TCPProxy) {
	t.Helper()
	f := newFixture(t, server)
	f.add(newJob("warm")) // so that the scripts in use are known to the server
	f.take("warm-up", 1)
	f.settle(0, by("warm-up", kept(outcome(broker.Completed, "warm"), jobs.Retention{None: true})))
	proxy := redistest.Proxy(t, server)
	f.client = proxy.Client(t)
	return f, proxy
}

// On a wire that loses the reply, or the request, of the first sending, a call
// does its work once and gets its answer.
func TestLostRepliesOnTheWireMakeNoDifference(t *testing.T) {
	losses := map[string]redistest.Action{
		"no byte of the reply": redistest.CutReply(0),
		"half of the reply":    redistest.CutReply(9),
		"the request":          redistest.DropRequest(),
	}
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, server *redistest.Server) {
				f, proxy := proxied(t, server)
				lose := func() { proxy.OnRequest(redistest.Nth(1, "evalsha", loss)) }

				lose()
				existed, err := f.broker().Add(f.ctx, []broker.NewJob{newJob("a"), given("b"), late("c", time.Hour)})
				if diff := cmp.Diff([]bool{false, false, false}, existed); err != nil || diff != "" {
					t.Errorf("add: error %v, existed (-want +got):\n%s", err, diff)
				}
				lose()
				settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 2))
				if err != nil || len(settled.Taken) != 2 || settled.Taken[0].ID != "a" {
					t.Fatalf("take: error %v, taken %v", err, settled.Taken)
				}
				lose()
				settled, err = f.broker().Settle(f.ctx, []broker.Outcome{
					outcome(broker.Completed, "a"), after(outcome(broker.Snooze, "b"), time.Minute),
				}, fetch("t2", 0))
				if err != nil || errors.Join(settled.Results...) != nil {
					t.Errorf("finish: error %v, results %v", err, settled.Results)
				}
				lose()
				if err := f.broker().ChangeDelay(f.ctx, "c", time.Minute); err != nil {
					t.Errorf("change delay: %v", err)
				}
				if due := f.client.ZScore(f.ctx, f.keys.Delayed(), "c").Val(); int64(due/4096) != f.now.Add(time.Minute).UnixMilli() {
					t.Errorf("change delay: due at %d ms, want a minute from now", int64(due/4096))
				}
				lose()
				if err := f.broker().Promote(f.ctx, "c"); err != nil {
					t.Errorf("promote: %v", err)
				}
				lose()
				if err := f.broker().Retry(f.ctx, "a", jobs.Completed, broker.Reset{}, true); err != nil {
					t.Errorf("retry: %v", err)
				}
				lose()
				if n, err := f.broker().Log(f.ctx, "a", "line", 0); err != nil || n != 1 {
					t.Errorf("log: %d lines, error %v", n, err)
				}
				lose()
				if err := f.broker().Progress(f.ctx, "a", []byte(`50`)); err != nil {
					t.Errorf("progress: %v", err)
				}
				lose()
				if err := f.broker().Remove(f.ctx, "b", false); err != nil {
					t.Errorf("remove: %v", err)
				}
				if proxy.Cuts() != 9 {
					t.Errorf("lost %d times, wanted 9", proxy.Cuts())
				}
				f.client = server.Client(t) // the proxy's may have a connection that was cut just now
				invariant.Must(t, f.client, f.keys, invariant.Options{})
				if diff := cmp.Diff([]string{"c", "a"}, f.client.LRange(f.ctx, f.keys.Wait(), 0, -1).Val()); diff != "" {
					t.Errorf("waiting (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// The reply to add is lost, a worker runs the job and the queue forgets it, and
// only then add is sent again: it must not run a second time.
func TestAddSentAgainAfterTheJobIsGoneAddsNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		for _, origin := range []func(string) broker.NewJob{newJob, given} {
			f := newFixture(t, server)
			ran := f.loseFirstReply(server, func(other *fixture) {
				noise(other, 1500) // other producers have filled the stream since
				other.do("rpush Q:wait a")
				other.do("lrem Q:wait 1 a")
				other.take("t", 1)
				other.settle(0, kept(outcome(broker.Completed, "a"), jobs.Retention{None: true}))
			})
			existed, err := f.broker().Add(f.ctx, []broker.NewJob{origin("a")})
			if err != nil || existed[0] {
				t.Errorf("existed %v, error %v", existed, err)
			}
			if *ran != 2 {
				t.Errorf("the script ran %d times, wanted 2", *ran)
			}
			if n := f.client.Exists(f.ctx, f.keys.Job("a")).Val(); n != 0 {
				t.Error("the job was added a second time")
			}
		}
	})
}

// The first sending of an add is half a minute old by the server's clock when the
// second one runs: that clock was put forward, or the server stood still. A made
// id is nobody else's and was added then; a given one may be somebody else's.
func TestHowFarBackAnAddThatIsSentAgainLooks(t *testing.T) {
	tests := map[string]struct {
		job    broker.NewJob
		stored int64
	}{
		"for a made id":  {newJob("a"), 0},
		"for a given id": {given("a"), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			redistest.Each(t, func(t *testing.T, server *redistest.Server) {
				f := newFixture(t, server)
				ran := f.loseFirstReply(server, func(other *fixture) {
					then := time.Now().Add(-30 * time.Second).UnixMilli()
					other.do("del Q:events Q:a Q:wait", fmt.Sprintf("xadd Q:events %d-0 event added jobId a name work", then),
						"xadd Q:events * event completed jobId a")
				})
				if existed, err := f.broker().Add(f.ctx, []broker.NewJob{tt.job}); err != nil || existed[0] || *ran != 2 {
					t.Errorf("existed %v, error %v after %d sendings, wanted neither after 2", existed, err, *ran)
				}
				if n := f.client.Exists(f.ctx, f.keys.Job("a")).Val(); n != tt.stored {
					t.Errorf("%d jobs are stored, wanted %d", n, tt.stored)
				}
			})
		})
	}
}

// The reply to what somebody does by hand is lost, and before it is sent again
// the job has run and come back to where it was.
func TestWhatWasDoneByHandIsNotDoneAgain(t *testing.T) {
	tests := map[string]struct {
		given     func(f *fixture)
		do        func(f *fixture) error
		meanwhile func(f *fixture)
		stays     string // the set in which the job is afterwards
	}{
		"retry, and it has failed again": {
			given: func(f *fixture) { f.active("t0", "a"); f.settle(0, by("t0", outcome(broker.Failed, "a"))) },
			do: func(f *fixture) error {
				return f.broker().Retry(f.ctx, "a", jobs.Failed, broker.Reset{Made: true}, false)
			},
			meanwhile: func(f *fixture) { f.take("t", 1); f.settle(0, outcome(broker.Failed, "a")) },
			stays:     "failed",
		},
		"retry, and it has completed": {
			given: func(f *fixture) { f.active("t0", "a"); f.settle(0, by("t0", outcome(broker.Failed, "a"))) },
			do: func(f *fixture) error {
				return f.broker().Retry(f.ctx, "a", jobs.Failed, broker.Reset{Made: true}, false)
			},
			meanwhile: func(f *fixture) { f.take("t", 1); f.settle(0, outcome(broker.Completed, "a")) },
			stays:     "completed",
		},
		"promotion, and it was put off anew": {
			given: func(f *fixture) { f.add(late("a", time.Hour)) },
			do:    func(f *fixture) error { return f.broker().Promote(f.ctx, "a") },
			meanwhile: func(f *fixture) {
				f.take("t", 1)
				f.settle(0, after(outcome(broker.Backoff, "a"), time.Hour))
			},
			stays: "delayed",
		},
		"a change of the delay, and it has completed": {
			given: func(f *fixture) { f.add(late("a", time.Hour)) },
			do:    func(f *fixture) error { return f.broker().ChangeDelay(f.ctx, "a", time.Second) },
			meanwhile: func(f *fixture) {
				f.pass(time.Minute)
				f.take("t", 1)
				f.settle(0, outcome(broker.Completed, "a"))
			},
			stays: "completed",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			redistest.Each(t, func(t *testing.T, server *redistest.Server) {
				f := newFixture(t, server)
				tt.given(f)
				ran := f.loseFirstReply(server, tt.meanwhile)
				if err := tt.do(f); err != nil || *ran != 2 {
					t.Errorf("error %v after the script ran %d times, wanted none after 2", err, *ran)
				}
				if err := f.client.ZScore(f.ctx, f.keys.Base()+tt.stays, "a").Err(); err != nil {
					t.Errorf("the job is not %s any more: %v", tt.stays, err)
				}
			})
		})
	}
}

// The first sending of add was not lost, only slow: it arrives on a connection
// that the client has given up, after the second one.
func TestAddThatArrivesAfterItsSecondSendingAddsNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		var late redis.Cmder
		f.client.(*redis.Client).AddHook(holdFirst(func(cmd redis.Cmder) { late = cmd }))
		if _, err := f.broker().Add(f.ctx, []broker.NewJob{newJob("a"), ranked("b", 1), given("c")}); err != nil {
			t.Fatal(err)
		}
		want := invariant.DumpState(t, f.client, f.keys)
		if err := f.client.Do(f.ctx, late.Args()...).Err(); err != nil {
			t.Fatal(err)
		}
		f.must()
		f.do("set Q:id 3") // numbers may be left out
		if diff := cmp.Diff(want, invariant.DumpState(t, f.client, f.keys)); diff != "" {
			t.Errorf("the late sending (-before +after):\n%s", diff)
		}
	})
}

// So is a late settle: the jobs that it would take are nobody's.
func TestSettleThatArrivesAfterItsSecondSendingDoesNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		f.active("t", "a", "b")
		f.add(newJob("c"), newJob("d"), newJob("e"))
		var late redis.Cmder
		f.client.(*redis.Client).AddHook(holdFirst(func(cmd redis.Cmder) { late = cmd }))
		settled, err := f.broker().Settle(f.ctx, []broker.Outcome{
			outcome(broker.Completed, "a"), after(outcome(broker.Snooze, "b"), time.Second),
		}, fetch("t2", 1))
		if err != nil || len(settled.Taken) != 1 {
			t.Fatalf("taken %v, error %v", settled.Taken, err)
		}
		want := invariant.Dump(t, f.client, f.keys)
		if err := f.client.Do(f.ctx, late.Args()...).Err(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, invariant.Dump(t, f.client, f.keys)); diff != "" {
			t.Errorf("the late sending (-before +after):\n%s", diff)
		}
		if ttl := f.client.PTTL(f.ctx, f.keys.Private()+"resent:t2").Val(); ttl <= 0 {
			t.Errorf("the note of the second sending stays for ever: PTTL %v", ttl)
		}
	})
}

// A second sending that arrives behind the third does nothing either.
func TestOnlyTheLatestSendingOfASettleIsHeard(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f := newFixture(t, server)
		f.add(newJob("a"), newJob("b"), newJob("c"))
		var late redis.Cmder
		sendings := 0
		f.client.(*redis.Client).AddHook(scriptHook(func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			if sendings++; sendings > 2 {
				return next(ctx, cmd)
			}
			late = redis.NewCmd(ctx, cmd.Args()...)
			cmd.SetErr(io.EOF)
			return io.EOF
		}))
		settled, err := f.broker().Settle(f.ctx, nil, fetch("t", 1))
		if err != nil || len(settled.Taken) != 1 || sendings < 3 {
			t.Fatalf("taken %v after %d sendings, error %v", settled.Taken, sendings, err)
		}
		want := invariant.Dump(t, f.client, f.keys)
		if err := f.client.Do(f.ctx, late.Args()...).Err(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, invariant.Dump(t, f.client, f.keys)); diff != "" {
			t.Errorf("the second sending, behind the third (-before +after):\n%s", diff)
		}
	})
}

// holdFirst is a hook that keeps the first script call from the server.
func holdFirst(keep func(redis.Cmder)) redis.Hook {
	held := false
	return scriptHook(func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		if held {
			return next(ctx, cmd)
		}
		held = true
		keep(redis.NewCmd(ctx, cmd.Args()...))
		cmd.SetErr(io.EOF)
		return io.EOF
	})
}

// noise writes events of other jobs.
func noise(f *fixture, n int) {
	f.Helper()
	_, err := f.client.Pipelined(f.ctx, func(pipe redis.Pipeliner) error {
		for i := range n {
			pipe.XAdd(f.ctx, &redis.XAddArgs{Stream: f.keys.Events(), Values: []any{"event", "waiting", "jobId", i}})
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

// loseFirstReply loses the reply to f's next script, and lets others act before it
// is sent again. It returns how often the script has run.
func (f *fixture) loseFirstReply(server *redistest.Server, meanwhile func(other *fixture)) (ran *int) {
	other := newFixture(f.TB, server)
	other.keys = f.keys
	ran = new(int)
	f.client.(*redis.Client).AddHook(afterScript(func() {
		if *ran++; *ran == 1 {
			meanwhile(other)
		}
	}))
	f.lossy.loss = 1
	f.lossy.arm()
	return ran
}

// afterScript is a hook that calls f when a script has run.
func afterScript(f func()) redis.Hook {
	return scriptHook(func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
		err := next(ctx, cmd)
		if err == nil {
			f()
		}
		return err
	})
}

// scriptHook stands around each call of a script.
type scriptHook func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error

func (h scriptHook) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h scriptHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (h scriptHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !strings.HasPrefix(cmd.Name(), "eval") {
			return next(ctx, cmd)
		}
		return h(ctx, cmd, next)
	}
}

func TestAServerThatForgotItsScriptsLearnsThemAgain(t *testing.T) {
	eachFixture(t, func(t *testing.T, f *fixture) {
		for _, id := range []string{"a", "b"} {
			if err := f.client.ScriptFlush(f.ctx).Err(); err != nil {
				t.Fatal(err)
			}
			f.add(newJob(id))
		}
		f.take("t", 2)
		invariant.Must(t, f.client, f.keys, invariant.Options{})
	})
}

// fakeServer answers every command with the same line.
func fakeServer(t *testing.T, reply string) *redis.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() { answerAll(conn, reply) })
		}
	})
	client := redis.NewClient(&redis.Options{
		Addr: listener.Addr().String(), Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
	})
	t.Cleanup(func() { client.Close(); listener.Close(); work.Wait() })
	return client
}

// answerAll reads arrays of bulk strings, which is all that clients send.
func answerAll(conn net.Conn, reply string) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	for in.Scan() {
		var n int
		if _, err := fmt.Sscanf(in.Text(), "*%d", &n); err != nil {
			return
		}
		for range 2 * n {
			in.Scan()
		}
		fmt.Fprintf(conn, "%s\r\n", reply)
	}
}

func TestAServerThatWillNotNowHasAMeaning(t *testing.T) {
	cases := map[string]error{
		"-LOADING Redis is loading the dataset in memory":                    jobs.ErrLoading,
		"-READONLY You can't write against a read only replica.":             jobs.ErrReadOnly,
		"-OOM command not allowed when used memory > 'maxmemory'.":           jobs.ErrOutOfMemory,
		"-BUSY Redis is busy running a script.":                              jobs.ErrBusy,
		"-MASTERDOWN Link with MASTER is down":                               jobs.ErrUnavailable,
		"-CLUSTERDOWN The cluster is down":                                   jobs.ErrUnavailable,
		"-MISCONF Redis is configured to save RDB snapshots":                 jobs.ErrUnavailable,
		"-NOREPLICAS Not enough good replicas to write.":                     jobs.ErrUnavailable,
		"-NOAUTH Authentication required.":                                   jobs.ErrUnavailable,
		"-ERR max number of clients reached":                                 jobs.ErrUnavailable,
		"-TRYAGAIN Multiple keys request during rehashing of slot":           jobs.ErrUnavailable,
		"-UNKILLABLE Sorry the script already executed write commands":       nil,
		"-WRONGTYPE Operation against a key holding the wrong kind of value": nil,
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for reply, want := range cases {
		b := broker.New(fakeServer(t, reply), wire.NewKeys("bull", "q"))
		all.Go(func() { // all wait at once for the time to be over
			_, err := b.Add(ctx, []broker.NewJob{newJob("a")})
			switch {
			case err == nil:
				t.Errorf("%s: no error", reply)
			case want == nil && errors.Is(err, jobs.ErrUnavailable):
				t.Errorf("%s: %v counts as unavailable, and would be sent again", reply, err)
			case want != nil && !errors.Is(err, want):
				t.Errorf("%s: got %v, want %v", reply, err, want)
			case want != nil && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("%s: %v does not say that the time was over", reply, err)
			}
		})
	}
	all.Wait()
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close() // so that nobody listens there
	client := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), MaxRetries: -1, ContextTimeoutEnabled: true})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, _, err = broker.New(client, wire.NewKeys("bull", "q")).Get(ctx, "a")
	if !errors.Is(err, jobs.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_, err = broker.New(client, wire.NewKeys("bull", "q")).Counts(ctx)
	if !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("counts: got %v", err)
	}
}

func TestAServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	f, proxy := proxied(t, redistest.Shared(t))
	proxy.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := f.broker().Add(ctx, []broker.NewJob{newJob("a")}); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	proxy.Flow()
	f.add(newJob("b"))
	invariant.Must(t, f.client, f.keys, invariant.Options{})
}

// A server that is out of memory, or read-only, refuses before the first write
// of a script, whatever the script would have written.
func TestARealServerRefusesWholeCalls(t *testing.T) {
	server := redistest.Own(t, redistest.Options{})
	f := newFixture(t, server.Server)
	f.add(newJob("a"), late("due", time.Second), newJob("b"), newJob("c"))
	f.take("t", 1)
	f.pass(time.Minute)
	refusals := map[string]struct {
		on, off string
		want    error
	}{
		"out of memory": {"config set maxmemory 1", "config set maxmemory 0", jobs.ErrOutOfMemory},
		"read-only":     {"replicaof 127.0.0.1 1", "replicaof no one", jobs.ErrReadOnly},
	}
	for name, r := range refusals {
		before := invariant.Dump(t, f.client, f.keys)
		f.do(r.on)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := f.broker().Add(ctx, []broker.NewJob{newJob("x"), late("y", time.Hour)})
		cancel()
		if !errors.Is(err, r.want) {
			t.Errorf("%s: add: got %v, want %v", name, err, r.want)
		}
		f.do(r.off)
		if diff := cmp.Diff(before, invariant.Dump(t, f.client, f.keys)); diff != "" {
			t.Errorf("%s: add left (-before +after):\n%s", name, diff)
		}
	}
	// What a full server can still do is finish work: that frees memory.
	f.do("config set maxmemory 1")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	settled, err := f.broker().Settle(ctx, []broker.Outcome{outcome(broker.Completed, "a")}, fetch("t2", 2))
	f.do("config set maxmemory 0")
	if err != nil || settled.Results[0] != nil {
		t.Errorf("finish on a full server: %v %v", err, settled.Results)
	}
	invariant.Must(t, f.client, f.keys, invariant.Options{})
}

func TestABusyServerIsBusyAndThenNot(t *testing.T) {
	server := redistest.Own(t, redistest.Options{Config: []string{"busy-reply-threshold 1"}})
	f := newFixture(t, server.Server)
	f.add(newJob("a"))
	loops := server.Client(t)
	var done sync.WaitGroup
	done.Go(func() { loops.Eval(f.ctx, "while true do end", nil) })
	busy := server.Client(t)
	for busy.Ping(f.ctx).Err() == nil { // until the script has begun
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := f.broker().Add(ctx, []broker.NewJob{newJob("b")}); !errors.Is(err, jobs.ErrBusy) {
		t.Errorf("got %v", err)
	}
	if err := busy.ScriptKill(f.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	done.Wait()
	f.add(newJob("b"))
	invariant.Must(t, f.client, f.keys, invariant.Options{})
}

// Where Redis could not be reached in time, others may not have reached it either,
// and their locks ran out: they have the gap to come back.
func TestASweepThatCouldNotBeMadeInTimeMarksOnly(t *testing.T) {
	trouble := map[string]func(f *fixture, proxy *redistest.TCPProxy){
		"the request was lost": func(f *fixture, proxy *redistest.TCPProxy) {
			proxy.OnRequest(redistest.Nth(1, "evalsha", redistest.DropRequest()))
			f.pass(time.Second)
		},
		"the sweep before failed": func(f *fixture, _ *redistest.TCPProxy) {
			ctx := f.ctx
			gone, cancel := context.WithCancel(ctx)
			cancel()
			f.ctx = gone
			f.sweep(-1)
			f.ctx = ctx
			f.pass(time.Second)
		},
	}
	for name, happens := range trouble {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, server *redistest.Server) {
				f, proxy := proxied(t, server)
				f.active("t", "a")
				f.sweep(-1)
				f.die("a")
				happens(f, proxy)
				for _, want := range []string{"next within 1s, recovered []", "next within 10s, recovered [a]"} {
					if got := f.sweep(-1); got != want {
						t.Errorf("sweep: %v, want %s", got, want)
					}
					f.pass(time.Second)
				}
			})
		})
	}
}
