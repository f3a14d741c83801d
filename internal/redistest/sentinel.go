package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is what the Sentinels of a Group call its primary.
const MasterName = "tandem"

// Group is one primary, two replicas and three Sentinels that belong to one test.
type Group struct {
	Servers   []*Instance // the first is the primary at the start
	Sentinels []*Instance
	Addrs     []string // of the Sentinels
}

// Sentinel starts a group and returns when every Sentinel knows the others and
// both replicas follow. A primary that is silent for a second and a half is replaced:
// sooner, and a busy machine would replace those that are well.
// config are further lines for each of the data servers.
func Sentinel(tb testing.TB, config ...string) *Group {
	tb.Helper()
	g := &Group{}
	lines := append([]string{"repl-diskless-sync yes", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1"}, config...)
	g.Servers = append(g.Servers, Own(tb, Options{Config: lines}))
	follow := "replicaof 127.0.0.1 " + strconv.Itoa(g.Servers[0].settings.port)
	for range 2 {
		g.Servers = append(g.Servers, Own(tb, Options{Config: append(lines, follow)}))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.AwaitReplicas(ctx, g.Servers[0], 2); err != nil {
		tb.Fatalf("redistest: form group: %v", err)
	}
	for range 3 {
		s := watch(tb, g.Servers[0], 2)
		g.Sentinels, g.Addrs = append(g.Sentinels, s), append(g.Addrs, s.Addr)
	}
	if err := g.Ready(ctx); err != nil {
		tb.Fatalf("redistest: form group: %v", err)
	}
	return g
}

// Watch starts a Sentinel of the test's own, which watches a server alone and calls
// it MasterName.
func Watch(tb testing.TB, primary *Instance) *Instance {
	tb.Helper()
	return watch(tb, primary, 1)
}

// watch starts a Sentinel. So many of them have to agree that the primary is gone.
func watch(tb testing.TB, primary *Instance, quorum int) *Instance {
	tb.Helper()
	return own(tb, settings{dir: tb.TempDir(), sentinel: true, lines: []string{
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", MasterName, primary.settings.port, quorum),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1500", MasterName),
		fmt.Sprintf("sentinel failover-timeout %s 3000", MasterName),
		fmt.Sprintf("sentinel parallel-syncs %s 2", MasterName),
	}})
}

// sentinelFile writes what a Sentinel reads, and later rewrites, so that it needs
// a file. One that is there from an earlier life is kept: it holds what was agreed.
func sentinelFile(port int, s settings) (string, error) {
	path := filepath.Join(s.dir, "sentinel-"+strconv.Itoa(port)+".conf")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	lines := append([]string{"bind " + s.address(), "port " + strconv.Itoa(port), "dir " + strconv.Quote(s.dir)}, s.lines...)
	return path, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// Primary is the server that most Sentinels call the primary.
func (g *Group) Primary(ctx context.Context) (*Instance, error) {
	votes := map[string]int{}
	for _, s := range g.Sentinels {
		addr, err := primaryBy(ctx, s)
		if err != nil {
			return nil, err
		}
		if votes[addr]++; votes[addr] >= 2 {
			return g.at(addr)
		}
	}
	return nil, errors.New("the sentinels do not agree who is the primary")
}

func primaryBy(ctx context.Context, s *Instance) (string, error) {
	client := redis.NewSentinelClient(s.Options())
	defer client.Close()
	at, err := client.GetMasterAddrByName(ctx, MasterName).Result()
	if err != nil {
		return "", fmt.Errorf("ask sentinel %s for the primary: %w", s.Addr, err)
	}
	return strings.Join(at, ":"), nil
}

func (g *Group) at(addr string) (*Instance, error) {
	for _, s := range g.Servers {
		if s.Addr == addr {
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s is none of the group's servers", addr)
}

// AwaitFailover waits until most Sentinels agree on another primary than old and
// that one takes writes.
func (g *Group) AwaitFailover(ctx context.Context, old *Instance) (*Instance, error) {
	var now *Instance
	err := eventually(ctx, "another primary", func() (bool, error) {
		primary, err := g.Primary(ctx)
		if err != nil || primary == old {
			return false, err
		}
		now = primary
		role, err := info(ctx, primary, "role")
		return role == "master", err
	})
	return now, err
}

// AwaitReplicas waits until n replicas of primary are in step with it.
func (g *Group) AwaitReplicas(ctx context.Context, primary *Instance, n int) error {
	return eventually(ctx, fmt.Sprintf("%d replicas of %s", n, primary.Addr), func() (bool, error) {
		text, err := infoText(ctx, primary)
		return strings.Count(text, "state=online") >= n, err
	})
}

// Ready waits until each Sentinel knows the two others, the primary and two
// replicas that follow it, so that a failover can begin. Sentinels look at the
// servers every ten seconds; they look more often for as long as this takes.
func (g *Group) Ready(ctx context.Context) error {
	err := g.look(ctx, 100*time.Millisecond, 100*time.Millisecond)
	for _, s := range g.Sentinels {
		if err == nil {
			err = eventually(ctx, "sentinels that know each other", func() (bool, error) { return s.knowsAll(ctx) })
		}
	}
	return errors.Join(err, g.look(ctx, 10*time.Second, 2*time.Second))
}

// look sets how often the Sentinels ask the servers, and tell each other.
func (g *Group) look(ctx context.Context, ask, tell time.Duration) error {
	for _, s := range g.Sentinels {
		client := redis.NewClient(s.Options())
		defer client.Close()
		set := client.Do(ctx, "SENTINEL", "DEBUG", "info-period", ask.Milliseconds(), "publish-period", tell.Milliseconds())
		if err := set.Err(); err != nil {
			return fmt.Errorf("set the rhythm of sentinel %s: %w", s.Addr, err)
		}
	}
	return nil
}

// knowsAll asks one Sentinel.
func (i *Instance) knowsAll(ctx context.Context) (bool, error) {
	client := redis.NewSentinelClient(i.Options())
	defer client.Close()
	m, err := client.Master(ctx, MasterName).Result()
	if err != nil || m["num-other-sentinels"] != "2" || m["flags"] != "master" {
		return false, err
	}
	replicas, err := client.Replicas(ctx, MasterName).Result()
	up := 0
	for _, replica := range replicas {
		if replica["flags"] == "slave" && replica["master-link-status"] == "ok" {
			up++
		}
	}
	return up == 2, err
}

// infoText is what a server says about replication.
func infoText(ctx context.Context, server *Instance) (string, error) {
	client := redis.NewClient(server.Options())
	defer client.Close()
	return client.Info(ctx, "replication").Result()
}

// info is one field of it.
func info(ctx context.Context, server *Instance, field string) (string, error) {
	text, err := infoText(ctx, server)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value, nil
		}
	}
	return "", err
}

// eventually asks until the answer is yes. Errors on the way are expected, and
// the last one is told when time runs out.
func eventually(ctx context.Context, what string, done func() (bool, error)) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited in vain for %s: %w", what, ctx.Err()), err)
		}
	}
}
