package worker_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// childURL, set in the environment, makes this test binary a worker process of
// its own, for a test that kills it.
const childURL = "WORKER_CHILD_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		if err := beChild(url, os.Getenv("WORKER_CHILD_PREFIX")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	redistest.Main(m)
}

// endWithParent ends this process when the test binary that started it is gone,
// however it went: then nobody holds the other end of its input.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
	os.Exit(1)
}

// beChild runs jobs by their name: poison ends the process, long says that it
// runs and does not end, any other takes a moment.
func beChild(url, prefix string) error {
	go endWithParent()
	conn, err := redisconn.Open(redisconn.Options{URL: url})
	if err != nil {
		return err
	}
	p, err := worker.New(conn, "q", all(func(ctx context.Context, task *worker.Task) (any, error) {
		switch task.Name {
		case "poison":
			os.Exit(3)
		case "long":
			fmt.Println("RUNNING", task.ID)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		time.Sleep(50 * time.Millisecond)
		return nil, nil
	}), worker.Options{Prefix: prefix, Concurrency: 3, LockDuration: time.Second, SweepInterval: time.Second})
	if err != nil {
		return err
	}
	return p.Run(context.Background())
}
