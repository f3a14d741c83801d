package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// NewJob is a job to add, encoded and checked.
type NewJob struct {
	ID       string
	Given    bool // the id is the caller's; otherwise it was made by us and is unique
	Name     string
	Data     []byte
	Options  []byte
	Delay    time.Duration
	RunAt    time.Time // instead of Delay
	Priority int       // 0 waits in the list
	LIFO     bool
}

// MaxBatch is how many jobs one call adds, or ends, at most: about 1.5 ms of
// the server's time, which is as long as others should have to wait.
const MaxBatch = 50

const addHead = 3

// Add stores jobs, all in one call, and reports for each whether it was there
// before. Their ids make it safe to send again.
func (b *Broker) Add(ctx context.Context, jobs []NewJob) (existed []bool, err error) {
	args := b.addArgs(jobs)
	reply, err := b.send(ctx, call{script: "add", replicated: true, args: args, resent: 1, elapsed: 2})
	if err != nil {
		return nil, err
	}
	return addAnswer(reply, len(jobs))
}

func (j *NewJob) appendTo(args []any) []any {
	origin, push := "made", "LPUSH"
	if j.Given {
		origin = "given"
	}
	if j.LIFO {
		push = "RPUSH"
	}
	delay := strconv.FormatInt(j.Delay.Milliseconds(), 10)
	if !j.RunAt.IsZero() {
		delay = "@" + strconv.FormatInt(j.RunAt.UnixMilli(), 10)
	}
	return append(args, j.ID, origin, j.Name, j.Data, j.Options, delay, j.Priority, push)
}

// code reads a reply that is one code.
func (b *Broker) code(ctx context.Context, c call) (int, error) {
	reply, err := b.send(ctx, c)
	if err != nil {
		return 0, err
	}
	n, err := number(reply)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.script, err)
	}
	if err := wire.Code(n).Err(); err != nil {
		return 0, fmt.Errorf("%s: %w", c.script, err)
	}
	return int(n), nil
}
