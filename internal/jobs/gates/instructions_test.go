package gates_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// instructionLimit is how many instructions a redis-server may execute for one
// job that is added in bulk and drained by ten slots: today's 329,000, which
// repeat to two percent, and a little for other versions of Redis than 7.0. They
// show what commands hide: Lua, JSON, and work that is done in vain.
const instructionLimit = 345_000

func TestHowManyInstructionsAJobCosts(t *testing.T) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		if os.Getenv("REDISTEST_STRICT") == "1" {
			t.Fatal("no valgrind on PATH, and REDISTEST_STRICT=1 forbids skipping")
		}
		t.Skip("skipped: no valgrind on PATH, which counts the instructions of redis-server")
	}
	if testing.Short() {
		t.Skip("skipped with -short: redis-server under valgrind is fifty times slower")
	}
	underValgrind(t)
	const few, many = 50, 250
	perJob := (instructions(t, many) - instructions(t, few)) / (many - few)
	t.Logf("a job costs Redis %.0f instructions; the limit is %d", perJob, instructionLimit)
	if perJob > instructionLimit {
		t.Errorf("a job costs Redis %.0f instructions, more than %d", perJob, instructionLimit)
	}
}

// underValgrind has redistest find a redis-server that runs under callgrind.
func underValgrind(t *testing.T) {
	t.Helper()
	server, err := exec.LookPath("redis-server")
	if err != nil {
		redistest.Own(t, redistest.Options{}) // says what is missing, and skips or fails
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nexec valgrind --tool=callgrind --callgrind-out-file=/dev/null " + server + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "redis-server"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// instructions is what a server executes in its life, in which it sees n jobs.
func instructions(t *testing.T, n int) float64 {
	t.Helper()
	server := redistest.Own(t, redistest.Options{})
	conn, err := redisconn.Open(redisconn.Options{URL: server.URL, CallTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	live(t, conn, n)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	return collected(t, server.Log())
}

// live adds n jobs and runs them, ten at a time and in step.
func live(t *testing.T, conn *redisconn.Conn, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	q, err := queue.New(conn, "q", queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	items := make([]queue.Item, n)
	for i := range items {
		items[i] = queue.Item{Name: "work", Payload: i}
	}
	if _, err := q.AddBulk(ctx, items, queue.Bulk{}); err != nil {
		t.Fatal(err)
	}
	run(ctx, t, conn, n)
}

func run(ctx context.Context, t *testing.T, conn *redisconn.Conn, n int) {
	t.Helper()
	const slots = 10
	step := newLockstep(slots)
	conn.AddHook(newGathering(step.quiet))
	mux := worker.NewMux()
	mux.Fallback(step.handle)
	ended := make(chan struct{}, n)
	pool, err := worker.New(conn, "q", mux, worker.Options{
		Concurrency: slots, LockDuration: time.Hour, SweepInterval: time.Hour,
		OnAttempt: func(worker.Attempt) { ended <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Start(); err != nil {
		t.Fatal(err)
	}
	for done := range n {
		select {
		case <-ended:
		case <-ctx.Done():
			t.Fatalf("%d of %d jobs ended in time", done, n)
		}
	}
	if err := pool.WaitForCompletion(time.Minute); err != nil {
		t.Fatal(err)
	}
}

var total = regexp.MustCompile(`Collected : (\d+)`)

// collected reads callgrind's last words.
func collected(t *testing.T, log string) float64 {
	t.Helper()
	match := total.FindStringSubmatch(log)
	if match == nil {
		t.Fatalf("valgrind does not say how many instructions there were:\n%s", log)
	}
	n, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
