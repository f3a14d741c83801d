package peer

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/tandemq/tandem/bench/internal/work"
)

// starts collects when handlers start, in milliseconds after a moment of their
// own. Handlers call note at the same time.
type starts struct {
	mu    sync.Mutex // guards after
	after []float64
}

func (s *starts) note(from time.Time) {
	after := float64(time.Since(from)) / float64(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = append(s.after, after)
}

// into fills in what a result says of starts.
func (s *starts) into(r *work.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.P50Ms, r.P99Ms = work.Quantile(s.after, 0.5), work.Quantile(s.after, 0.99)
	if len(s.after) > 0 { // sorted by now
		r.EarliestMs, r.LastMs = s.after[0], s.after[len(s.after)-1]
	}
}

// pickup adds jobs by the clock, whether or not earlier ones were answered, and
// notes how long each waited for its handler.
func (b *bench) pickup() (Job, error) {
	var seen starts
	b.work.Jobs = int(math.Round(float64(b.work.Rate) * b.work.Seconds))
	handle := func(p Payload, _ int) error {
		seen.note(time.Unix(0, p.At))
		return nil
	}
	var err error
	if b.worker, err = b.system.Worker(b.workerOf(handle)); err != nil {
		return Job{}, err
	}
	run := func(ctx context.Context) (work.Result, error) {
		started := time.Now()
		if err := b.byTheClock(ctx, started); err != nil {
			return work.Result{}, err
		}
		result := b.took(started)
		seen.into(&result)
		return result, nil
	}
	return Job{Run: run, End: b.worker.Stop}, b.worker.Start()
}

// byTheClock returns when all jobs have been added and have finished.
func (b *bench) byTheClock(ctx context.Context, started time.Time) error {
	gap := time.Second / time.Duration(b.work.Rate)
	failures := make(chan error, b.work.Jobs)
	var adding sync.WaitGroup
	for n := range b.work.Jobs {
		time.Sleep(time.Until(started.Add(time.Duration(n) * gap)))
		adding.Go(func() { failures <- b.system.Add(ctx, b.work.Queue, payload(n), JobOptions{}) })
	}
	adding.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return b.await(ctx)
}

// due adds jobs for one moment, a whole second since that is what asynq keeps,
// and notes when they start.
func (b *bench) due(ctx context.Context) (Job, error) {
	var seen starts
	moment := time.Now().Add(seconds(b.work.Seconds)).Truncate(time.Second).Add(time.Second)
	payloads := make([]Payload, b.work.Jobs)
	for first := 0; first < len(payloads); first += bulkSize {
		chunk := payloads[first:min(first+bulkSize, len(payloads))]
		if err := b.system.AddBulk(ctx, b.work.Queue, chunk, JobOptions{DueAt: moment.UnixMilli()}); err != nil {
			return Job{}, err
		}
	}
	if late := time.Since(moment); late > 0 {
		return Job{}, fmt.Errorf("the jobs were due %v before all had been added", late)
	}
	handle := func(Payload, int) error {
		seen.note(moment)
		return nil
	}
	var err error
	if b.worker, err = b.system.Worker(b.workerOf(handle)); err != nil {
		return Job{}, err
	}
	run := func(ctx context.Context) (work.Result, error) {
		err := b.await(ctx)
		result := work.Result{Jobs: b.work.Jobs, Seconds: time.Since(moment).Seconds()}
		seen.into(&result)
		return result, err
	}
	return Job{Run: run, End: b.worker.Stop}, b.worker.Start()
}
