package promises_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/promises"
)

// childURL, set in the environment, makes this test binary a worker that takes
// jobs, says so, and never ends them.
const childURL = "PROOF_WORKER_CHILD"

// held is how many jobs a worker has when it is killed.
const held = 5

func runChild(url string) int {
	if err := holdJobs(url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func holdJobs(url string) error {
	go endWithParent()
	conn, err := redisconn.Open(redisconn.Options{URL: url})
	if err != nil {
		return err
	}
	mux := worker.NewMux()
	mux.Fallback(func(_ context.Context, task *worker.Task) (any, error) {
		fmt.Println("RUNNING", task.ID)
		select {}
	})
	pool, err := worker.New(conn, record().Queue, mux, worker.Options{
		Prefix: record().Prefix, Concurrency: held, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return pool.Run(context.Background())
}

// endWithParent ends this process when the test binary that started it is gone,
// however it went: then nobody holds the other end of its input.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
	os.Exit(1)
}

// From the moment at which a worker is killed to the start of its jobs on
// another, with the settings that we ship.
func TestTheJobsOfAKilledWorkerRunAgainSoon(t *testing.T) {
	t.Parallel()
	kills := sized(3, 20)
	all := make(chan []time.Duration, kills)
	t.Run("kills", func(t *testing.T) {
		for i := range kills {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				all <- afterKill(t)
			})
		}
	})
	close(all)
	var took []time.Duration
	for some := range all {
		took = append(took, some...)
	}
	if len(took) != kills*held {
		t.Errorf("%d jobs ran again, want %d", len(took), kills*held)
	}
	half, worst := promises.Quantile(took, 0.5), promises.Quantile(took, 1)
	report(t, onTime(promises.Row{
		Name: "jobs of a killed worker run again", Goal: "half within 5 s, all within 15 s",
		Measured: fmt.Sprintf("half within %s, all within %s", seconds(half), seconds(worst)), N: len(took),
		Of: fmt.Sprintf("jobs of %d killed workers, shipped defaults", kills),
	}, limit{half, 5 * time.Second}, limit{worst, 15 * time.Second}))
}

// afterKill kills a worker at a random moment of its life and returns how long
// each of its jobs took to run elsewhere.
func afterKill(t *testing.T) (took []time.Duration) {
	t.Helper()
	server := redistest.Own(t, redistest.Options{})
	conn := open(t, redisconn.Options{URL: server.URL})
	q := newQueue(t, conn)
	for range held {
		<-addLater(t, q, time.Minute)
	}
	kill := startChild(t, server.URL)
	starts := make(chan start, held)
	work(t, conn, worker.Options{Concurrency: held}, telling(starts))
	must(t, wait(t.Context(), time.Duration(chance(t).IntN(3000))*time.Millisecond))
	kill()
	dead := time.Now()
	for range held {
		select {
		case s := <-starts:
			took = append(took, s.at.Sub(dead))
		case <-time.After(2 * time.Minute):
			t.Fatalf("only %d of %d jobs ran again", len(took), held)
		}
	}
	return took
}

// startChild starts a worker in a process of its own and returns, when it runs
// all it can, how to kill it.
func startChild(t *testing.T, url string) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childURL+"="+url)
	_, err = cmd.StdinPipe() // the worker ends with it, however we do
	must(t, err)
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill() // done already is fine: it is called twice
		_ = cmd.Wait()         // it was killed: that is its error
	}
	t.Cleanup(kill)
	lines := bufio.NewScanner(stdout)
	for range held {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "RUNNING") {
			t.Fatalf("the worker said %q: %v", lines.Text(), lines.Err())
		}
	}
	return kill
}
