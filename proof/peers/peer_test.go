package peers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/proof/census"
	"github.com/tandemq/tandem/proof/storm"
)

const (
	prefix = "bull" // of Tandem's and BullMQ's keys
	queue  = "storm"
)

// peer is one library under test.
type peer struct {
	name    string // as it is called in the results, without a version
	command []string
	produce func(t *testing.T, dir string, o orders) []string // further flags of a producer
	work    []string                                          // further flags of a worker
	left    func(context.Context, redis.UniversalClient) (int64, error)
	census  func(context.Context, redis.UniversalClient) (*census.Census, error)
}

// line is the command line of a process in one of the two modes.
func (p *peer) line(mode, url, dir string, flags []string) []string {
	line := append([]string{}, p.command...)
	return append(append(line, mode, "--redis="+url, "--queue="+queue, "--ledger="+dir), flags...)
}

const concurrency = "5" // jobs at a time in a process; the three have different defaults

func tandem() *peer {
	return &peer{
		name: "Tandem", command: []string{filepath.Join(programs, "subject")},
		produce: func(_ *testing.T, _ string, o orders) []string { return append(o.common(), o.drawn()...) },
		work:    []string{"-concurrency", concurrency, "-shutdown", "30s", "-keep", "100000"},
		left:    leftOfBull, census: censusOfBull,
	}
}

func asynq() *peer {
	return &peer{
		name: "asynq", command: []string{filepath.Join(programs, "asynq")}, produce: fromFile,
		work: []string{"-concurrency", concurrency},
		left: leftOfAsynq, census: censusOfAsynq,
	}
}

func bullmq() *peer {
	return &peer{
		name: "BullMQ", command: []string{"node", "node/bullmq.mjs"},
		produce: func(t *testing.T, dir string, o orders) []string { return append(fromFile(t, dir, o), modules()) },
		work:    []string{"--concurrency=" + concurrency, modules()},
		left:    leftOfBull, census: censusOfBull,
	}
}

// modules tells the script where BullMQ is.
func modules() string { return "--modules=" + packageJSON(storm.NodeDir) }

func packageJSON(dir string) string {
	path, err := filepath.Abs(filepath.Join(dir, "package.json"))
	if err != nil {
		panic(fmt.Sprintf("this process has no working directory: %v", err))
	}
	return path
}

// columns are the peers, in the order of the table.
func columns() []*peer { return []*peer{tandem(), bullmq(), asynq()} }

// need skips a test of BullMQ where it is not installed.
func (p *peer) need(t *testing.T) {
	t.Helper()
	if p.name != "BullMQ" {
		return
	}
	_, missing := exec.LookPath("node")
	if _, err := os.Stat(filepath.Join(storm.NodeDir, "node_modules", "bullmq")); err != nil {
		missing = err
	}
	switch {
	case missing == nil:
	case os.Getenv("REDISTEST_STRICT") == "1":
		t.Fatalf("BullMQ is not there, and REDISTEST_STRICT=1 forbids skipping: %v", missing)
	default:
		fmt.Fprintf(os.Stderr, "peers: SKIPPED %s: BullMQ is not there (make test-interop installs it)\n", t.Name())
		t.Skipf("BullMQ is not there: %v", missing)
	}
}

// version is that of the library which really ran.
func (p *peer) version(t *testing.T) string {
	t.Helper()
	switch p.name {
	case "BullMQ":
		text, err := os.ReadFile(packageJSON(filepath.Join(storm.NodeDir, "node_modules", "bullmq")))
		must(t, err)
		var about struct{ Version string }
		must(t, json.Unmarshal(text, &about))
		return about.Version
	case "asynq":
		text, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/hibiken/asynq").Output()
		must(t, err)
		return strings.TrimPrefix(strings.TrimSpace(string(text)), "v")
	}
	return "" // this tree
}

func leftOfBull(ctx context.Context, client redis.UniversalClient) (int64, error) {
	return count(ctx, client, prefix+":"+queue+":", []string{"wait", "active"}, []string{"prioritized", "delayed"})
}

func censusOfBull(ctx context.Context, client redis.UniversalClient) (*census.Census, error) {
	return census.Take(ctx, client, prefix, queue)
}

const asynqKeys = "asynq:{" + queue + "}:"

func leftOfAsynq(ctx context.Context, client redis.UniversalClient) (int64, error) {
	return count(ctx, client, asynqKeys, []string{"pending", "active"}, []string{"scheduled", "retry"})
}

// count adds up how long some lists and sets are.
func count(ctx context.Context, client redis.UniversalClient, base string, lists, sets []string) (n int64, err error) {
	var lengths []*redis.IntCmd
	_, err = client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, name := range lists {
			lengths = append(lengths, p.LLen(ctx, base+name))
		}
		for _, name := range sets {
			lengths = append(lengths, p.ZCard(ctx, base+name))
		}
		return nil
	})
	for _, l := range lengths {
		n += l.Val()
	}
	return n, err
}

// censusOfAsynq tells where each task is in the words of the other format: a
// task that failed for good is archived, and one that waits for its next attempt
// is in retry.
func censusOfAsynq(ctx context.Context, client redis.UniversalClient) (*census.Census, error) {
	c := &census.Census{Places: map[string][]string{}, Hashes: map[string]bool{}, Marker: true}
	put := func(place string, ids []string, err error) error {
		for _, id := range ids {
			c.Places[id], c.Hashes[id] = append(c.Places[id], place), true
		}
		return err
	}
	for key, place := range map[string]string{"pending": "wait", "active": "active"} {
		ids, err := client.LRange(ctx, asynqKeys+key, 0, -1).Result()
		if err := put(place, ids, err); err != nil {
			return nil, fmt.Errorf("read list %s: %w", key, err)
		}
	}
	for key, place := range map[string]string{"scheduled": "delayed", "retry": "delayed", "completed": "completed", "archived": "failed"} {
		ids, err := client.ZRange(ctx, asynqKeys+key, 0, -1).Result()
		if err := put(place, ids, err); err != nil {
			return nil, fmt.Errorf("read set %s: %w", key, err)
		}
	}
	return c, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
