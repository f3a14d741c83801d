package redistest_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
)

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	a, b := redistest.Shared(t), redistest.Shared(t)
	if a != b {
		t.Errorf("two servers: %s and %s", a.Addr, b.Addr)
	}
	must(t, a.Client(t).Ping(t.Context()).Err())
	fromURL, err := redis.ParseURL(a.URL)
	if err != nil || fromURL.Addr != a.Addr {
		t.Errorf("URL %q leads to %v, %v", a.URL, fromURL, err)
	}
}

func TestClientsAreSetUpAsInProduction(t *testing.T) {
	t.Parallel()
	o := redistest.Shared(t).Options()
	got := []any{o.Protocol, o.MaxRetries, o.ContextTimeoutEnabled}
	if diff := cmp.Diff([]any{2, -1, true}, got); diff != "" {
		t.Errorf("Protocol, MaxRetries, ContextTimeoutEnabled (-want +got):\n%s", diff)
	}
}

func TestPrefixIsUniqueAndCleanedUp(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		client := server.Client(t)
		stays, other := server.Prefix(t), ""
		must(t, client.Set(t.Context(), stays+":a", 1, 0).Err())
		t.Run("inner", func(t *testing.T) {
			other = server.Prefix(t)
			for _, key := range []string{other, other + ":a", "{" + other + "}:b", "tandem:{x" + other + "}"} {
				must(t, client.Set(t.Context(), key, 1, 0).Err())
			}
		})
		if other == stays {
			t.Errorf("two tests have the prefix %s", stays)
		}
		if left := client.Keys(t.Context(), "*"+other+"*").Val(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if n := client.Exists(t.Context(), stays+":a").Val(); n != 1 {
			t.Error("one test's cleanup removed another's key")
		}
	})
}

func TestEachRunsOnBoth(t *testing.T) {
	var real []bool
	redistest.Each(t, func(t *testing.T, server *redistest.Server) { real = append(real, server.Real) })
	if diff := cmp.Diff([]bool{false, redistest.Shared(t).Real}, real); diff != "" {
		t.Errorf("Real (-want +got):\n%s", diff)
	}
}

func TestAKilledServerComesBackWithWhatItHadOnDisk(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	client := server.Client(t)
	must(t, client.Set(t.Context(), "k", "v", 0).Err())
	server.Kill()
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Error("a killed server answered")
	}
	server.Restart()
	if got, err := client.Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Errorf("after the restart k is %q, %v", got, err)
	}
}

func TestAStoppedServerComesBackEmptyUnlessItSaves(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	client := server.Client(t)
	must(t, client.Set(t.Context(), "k", "v", 0).Err())
	server.Stop()
	server.Restart()
	server.Restart()
	if n, err := client.Exists(t.Context(), "k").Result(); err != nil || n != 0 {
		t.Errorf("after the restart there are %d keys, %v", n, err)
	}
	if !strings.Contains(server.Log(), "Ready to accept connections") {
		t.Errorf("the log does not tell of the start:\n%s", server.Log())
	}
}

func TestAPausedServerAnswersNobody(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	client := server.Client(t)
	must(t, client.Ping(t.Context()).Err())
	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); !timedOut(err) {
		t.Errorf("ping of a paused server: %v, want a timeout", err)
	}
	server.Resume()
	must(t, client.Ping(t.Context()).Err())
	server.Pause()
	server.Stop() // wakes it up first
}

func TestServersDieWithTheTestBinary(t *testing.T) {
	t.Parallel()
	redistest.Own(t, redistest.Options{}) // skips where there is no redis-server
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), asChild+"=1")
	output, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	addr := announced(t, output)
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	defer conn.Close()
	must(t, child.Process.Kill())
	// The connection ends when the server does. Nobody else would close it.
	must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	if _, err := conn.Read(make([]byte, 1)); timedOut(err) {
		t.Errorf("the server on %s outlives the test binary that was killed", addr)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
}

func announced(t *testing.T, output interface{ Read([]byte) (int, error) }) string {
	t.Helper()
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "ADDR "); ok {
			return addr
		}
	}
	t.Fatal("the child told no address")
	return ""
}

func TestClusterSpreadsKeys(t *testing.T) {
	t.Parallel()
	cluster := redistest.Cluster(t)
	prefix := cluster.Prefix(t)
	for _, name := range strings.Split("abcdefghijklmnopqrst", "") {
		must(t, cluster.Client.Set(t.Context(), prefix+name, name, 0).Err())
	}
	for _, node := range cluster.Instances {
		n, err := node.Client(t).DBSize(t.Context()).Result()
		if err != nil || n == 0 {
			t.Errorf("%s holds %d keys, %v", node.Addr, n, err)
		}
	}
	slot := cluster.Client.ClusterKeySlot(t.Context(), "{a}b").Val()
	if want := cluster.Client.ClusterKeySlot(t.Context(), "{a}c").Val(); slot != want {
		t.Errorf("keys with one hash tag are in slots %d and %d", slot, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}
