package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// RunLog writes the history of attempts into job_runs. Workers hand it runs
// one at a time and go on; it writes them in batches:
//
//	Add ──▶ buffer (bounded) ──▶ Run: a batch when one is full or a moment has passed
//	                        └──▶ Close: the rest
//
// History is worth less than work, so a database that is down never stops a
// worker: runs collect in the buffer, and when that is full, new ones are
// counted and dropped, which is logged when it begins and when it ends.
type RunLog struct {
	db     *DB
	opts   RunLogOptions
	logger *slog.Logger
	full   chan struct{} // holds a token when a batch is waiting

	writing sync.Mutex // held by the one goroutine that writes a batch

	mu       sync.Mutex // guards the fields below
	buffer   []Run
	closed   bool
	dropped  int64 // in all
	unlogged int64 // of these, not yet in the log
}

// RunLogOptions tune a RunLog. The zero value is fine.
type RunLogOptions struct {
	BatchSize  int           // runs in one INSERT at most; 0 is 200
	FlushEvery time.Duration // how long a run waits for company; 0 is 500 ms
	Buffer     int           // runs kept while the database is away; 0 is 20,000
	Logger     *slog.Logger  // nil is silent
}

// ErrRunLogClosed: Close was called before.
var ErrRunLogClosed = errors.New("the run log is closed")

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// NewRunLog returns a log that keeps runs in memory until Run or Close write
// them.
func NewRunLog(db *DB, o RunLogOptions) *RunLog {
	if o.BatchSize <= 0 {
		o.BatchSize = 200
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 500 * time.Millisecond
	}
	if o.Buffer <= 0 {
		o.Buffer = 20_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &RunLog{db: db, opts: o, logger: o.Logger, full: make(chan struct{}, 1)}
}

// Add hands over one run. It takes no longer than appending to a slice does.
// False means that the run was dropped, because the buffer is full or the log
// closed.
func (l *RunLog) Add(run Run) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.buffer) >= l.opts.Buffer {
		l.drop()
		return false
	}
	l.buffer = append(l.buffer, run)
	if len(l.buffer) >= l.opts.BatchSize {
		l.signal()
	}
	return true
}

// drop counts, with mu held. The first of a series is logged at once.
func (l *RunLog) drop() {
	if l.unlogged == 0 {
		l.logger.Error("job history takes no more runs, dropping them", "buffered", len(l.buffer), "closed", l.closed)
	}
	l.dropped++
	l.unlogged++
}

func (l *RunLog) signal() {
	select {
	case l.full <- struct{}{}:
	default:
	}
}

// Dropped is how many runs were lost so far.
func (l *RunLog) Dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Buffered is how many runs wait to be written.
func (l *RunLog) Buffered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buffer)
}

// Run writes batches until ctx is cancelled, and returns nil. What is still in
// the buffer then, and what Add brings later, is written by Close.
func (l *RunLog) Run(ctx context.Context) error {
	retry := firstRetry
	for l.await(ctx, l.opts.FlushEvery) {
		err := l.Flush(ctx)
		if err == nil {
			retry = firstRetry
			continue
		}
		if ctx.Err() != nil {
			break
		}
		l.logger.WarnContext(ctx, "job history not written, will retry", "error", err, "buffered", l.Buffered(), "retry_in", retry)
		if !pause(ctx, retry) {
			break
		}
		retry = min(2*retry, lastRetry)
	}
	return nil
}

// await returns true when a batch is full or d has passed.
func (l *RunLog) await(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-l.full:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Close accepts no more runs and writes those in the buffer. If ctx ends or the
// database fails first, the error says how many were lost.
func (l *RunLog) Close(ctx context.Context) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrRunLogClosed
	}
	l.closed = true
	l.mu.Unlock()

	err := l.Flush(ctx)
	if err == nil {
		return nil
	}
	return fmt.Errorf("job history: %d runs lost: %w", l.abandon(), err)
}

// abandon empties the buffer and returns how many runs that loses.
func (l *RunLog) abandon() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := len(l.buffer)
	l.buffer = nil
	l.dropped += int64(lost)
	return lost
}

// Flush writes everything that is in the buffer now. What could not be written
// stays there.
func (l *RunLog) Flush(ctx context.Context) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	for {
		batch := l.peek()
		if len(batch) == 0 {
			l.reportDropped(ctx)
			return nil
		}
		if err := l.write(ctx, batch); err != nil {
			return err
		}
		l.shift(len(batch))
	}
}

// peek returns the oldest runs without removing them. Only the holder of
// writing calls it, and Add only appends, so the slice stays as it is.
func (l *RunLog) peek() []Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.buffer), l.opts.BatchSize)
	return l.buffer[:n:n]
}

// shift removes the n oldest runs, and the array too once it is empty.
func (l *RunLog) shift(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buffer = l.buffer[n:]; len(l.buffer) == 0 {
		l.buffer = nil
	}
}

func (l *RunLog) reportDropped(ctx context.Context) {
	l.mu.Lock()
	n := l.unlogged
	l.unlogged = 0
	l.mu.Unlock()
	if n > 0 {
		l.logger.WarnContext(ctx, "job history is written again", "dropped", n)
	}
}

// write inserts the batch. If the database refuses a value in it, the batch is
// halved until the run at fault stands alone; that one is dropped, because it
// would hold up all others for ever.
func (l *RunLog) write(ctx context.Context, batch []Run) error {
	err := insertRuns(ctx, l.db, batch)
	if err == nil || !isDataError(err) {
		return err
	}
	if len(batch) == 1 {
		l.refuse(ctx, &batch[0], err)
		return nil
	}
	half := len(batch) / 2
	if err := l.write(ctx, batch[:half]); err != nil {
		return err
	}
	return l.write(ctx, batch[half:])
}

func (l *RunLog) refuse(ctx context.Context, run *Run, err error) {
	l.mu.Lock()
	l.dropped++
	l.mu.Unlock()
	l.logger.ErrorContext(ctx, "job history refuses a run", "queue", run.Queue, "job_id", run.JobID, "job_name", run.JobName, "error", err)
}
