package redistest_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
)

func TestSentinelsReplaceAPrimaryThatDied(t *testing.T) {
	t.Parallel()
	group := redistest.Sentinel(t)
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	old, err := group.Primary(ctx)
	must(t, err)
	if old != group.Servers[0] {
		t.Fatalf("the primary is %s, want the first server", old.Addr)
	}
	must(t, old.Client(t).Set(ctx, "k", "v", 0).Err())
	must(t, old.Client(t).Wait(ctx, 2, time.Second).Err())
	old.Kill()
	now, err := group.AwaitFailover(ctx, old)
	must(t, err)
	if got := now.Client(t).Get(ctx, "k").Val(); got != "v" {
		t.Errorf("the new primary %s holds %q, want v", now.Addr, got)
	}
	old.Restart()
	must(t, group.Ready(ctx))
	must(t, group.AwaitReplicas(ctx, now, 2))
}

func TestAReplicaTakesOverInTheCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.ReplicatedCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
	defer cancel()
	old, err := cluster.PrimaryOf(ctx, "k")
	must(t, err)
	old.Kill()
	for {
		now, err := cluster.PrimaryOf(ctx, "k")
		if err == nil && now != old {
			must(t, now.Client(t).Set(ctx, "k", "v", 0).Err())
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("nobody took over: %v", err)
		}
	}
}

func TestAServerCanBeStartedElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := redistest.Own(t, redistest.Options{
		Host: "127.0.0.2", Dir: dir, Env: []string{"TZ=Asia/Kathmandu"}, Through: []string{"nice", "-n", "1"},
		Config: []string{"appendonly yes"},
	})
	host, _, err := net.SplitHostPort(server.Addr)
	must(t, err)
	if host != "127.0.0.2" {
		t.Errorf("it listens on %s", host)
	}
	must(t, server.Client(t).Ping(t.Context()).Err())
	if _, err := os.Stat(filepath.Join(server.Dir(), "appendonlydir")); err != nil || server.Dir() != dir {
		t.Errorf("its files are not in %s: %v", dir, err)
	}
	server.Kill()
	<-server.Exited()
	server.Restart()
	must(t, server.Client(t).Ping(t.Context()).Err())
}

func TestProxyIsAsSlowAsItIsTold(t *testing.T) {
	t.Parallel()
	for name, pace := range map[string]redistest.Pace{
		"a long way":    {Delay: 30 * time.Millisecond},
		"a narrow line": {BytesPerSecond: 300}, // a ping is 14 bytes, its answer 7
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := redistest.Proxy(t, redistest.Shared(t))
			conn := proxy.Client(t).Conn()
			defer conn.Close()
			must(t, conn.Ping(t.Context()).Err())
			proxy.Slow(pace)
			began := time.Now()
			must(t, conn.Ping(t.Context()).Err())
			if took := time.Since(began); took < 60*time.Millisecond {
				t.Errorf("a ping took %s, want 60ms at least", took)
			}
			proxy.Slow(redistest.Pace{})
			must(t, conn.Ping(t.Context()).Err())
		})
	}
}
