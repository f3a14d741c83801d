package embedded_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/embedded"
)

// within starts a server that listens nowhere, and a client of it, both in the
// bubble of the caller.
func within(t *testing.T, o embedded.Options) *redis.Client {
	t.Helper()
	o.Detached = true
	server, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{
		Addr:     "127.0.0.1:6379", // a name would be looked up, outside of the bubble
		Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			server.Serve(theirs)
			return ours, nil
		},
	})
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client
}

func TestServerLivesInABubbleOfVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ctx := within(t, embedded.Options{}), t.Context()
		if err := client.Set(ctx, "lease", "mine", 5*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := client.BZPopMin(ctx, 4*time.Second, "nothing").Err(); err != redis.Nil {
			t.Fatalf("wait for nothing: %v", err)
		}
		if waited := time.Since(began); waited != 4*time.Second {
			t.Errorf("waited %s, wanted 4s", waited)
		}
		if n := client.Exists(ctx, "lease").Val(); n != 1 {
			t.Error("the lease ran out after 4 of its 5 s")
		}
		time.Sleep(time.Second)
		if n := client.Exists(ctx, "lease").Val(); n != 0 {
			t.Error("the lease holds after 5 s")
		}
	})
}

func TestRenewedKeysLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ctx := within(t, embedded.Options{}), t.Context()
		if err := client.Set(ctx, "lock", "token", 5*time.Second).Err(); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(4 * time.Second)
			if ok, err := client.PExpire(ctx, "lock", 5*time.Second).Result(); err != nil || !ok {
				t.Fatalf("renew: %v, %v", ok, err)
			}
		}
	})
}

func TestClockThatIsSetTakesExpiryWithIt(t *testing.T) {
	tests := []struct {
		name string
		step time.Duration
		left int64 // leases of 5 s that hold 2 s later
	}{
		{"forward", 10 * time.Second, 0},
		{"not at all", 0, 1},
		{"back", -10 * time.Second, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ahead atomic.Int64
				clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				client, ctx := within(t, embedded.Options{Clock: clock}), t.Context()
				if err := client.Set(ctx, "lease", "mine", 5*time.Second).Err(); err != nil {
					t.Fatal(err)
				}
				ahead.Store(int64(tt.step))
				time.Sleep(2 * time.Second)
				if got := client.Time(ctx).Val(); !got.Equal(time.Now().Add(tt.step)) {
					t.Errorf("the server's time is %s, wanted %s ahead of %s", got, tt.step, time.Now())
				}
				if n := client.Exists(ctx, "lease").Val(); n != tt.left {
					t.Errorf("%d leases hold, wanted %d", n, tt.left)
				}
				if tt.step >= 0 {
					return
				}
				time.Sleep(12 * time.Second)
				if n := client.Exists(ctx, "lease").Val(); n != 1 {
					t.Error("the lease ran out before the clock, set back, had come to its end")
				}
				time.Sleep(time.Second)
				if n := client.Exists(ctx, "lease").Val(); n != 0 {
					t.Error("the lease holds for ever")
				}
			})
		})
	}
}

func TestRewrittenScriptAnswersToItsOwnHash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, ctx := within(t, embedded.Options{
			Rewrite: func(script string) string { return strings.ReplaceAll(script, "1", "2") },
		}), t.Context()
		script := redis.NewScript("return 1")
		for range 2 { // by its text, then by its hash
			if n, err := script.Run(ctx, client, nil).Int(); err != nil || n != 2 {
				t.Errorf("rewritten script: %d, %v", n, err)
			}
		}
		if n, err := client.Eval(ctx, "return 3", nil).Int(); err != nil || n != 3 {
			t.Errorf("script that stays as it is: %d, %v", n, err)
		}
	})
}

func TestWatchSeesWhatScriptsDoInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		client, ctx := within(t, embedded.Options{
			Watch: func(command string, args []string) {
				seen = append(seen, command+" "+strings.Join(args, " "))
			},
		}), t.Context()
		script := "redis.call('set', 'a', 1) redis.call('XADD', 'x', 'MAXLEN', '~', 9, 'LIMIT', 5, '*', 'f', 'v') return cjson.encode({1})"
		if err := client.Eval(ctx, script, nil).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.Del(ctx, "a").Err(); err != nil {
			t.Fatal(err)
		}
		want := []string{"SET a 1", "XADD x MAXLEN ~ 9 * f v"}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
	})
}
