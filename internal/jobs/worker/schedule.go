package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/cron"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// repetition is the member repeat in the options of a scheduler's job.
type repetition struct {
	Pattern   string  `json:"pattern"`
	TZ        string  `json:"tz"`
	Every     float64 `json:"every"`  // ms
	Offset    float64 `json:"offset"` // ms
	Limit     int     `json:"limit"`
	Count     int     `json:"count"`
	StartDate float64 `json:"startDate"` // ms since the epoch
	EndDate   float64 `json:"endDate"`
}

// advance creates the next run of the job scheduler that made this job, before
// the job runs: that keeps a schedule alive which a Node service has set up. A
// schedule that cannot be advanced fails the job, so that somebody sees it.
func (p *Pool) advance(a *attempt) error {
	job := &a.task.Job
	if job.SchedulerID == "" {
		return nil
	}
	next, ok, err := nextRun(job, job.ProcessedOn) // by the server's clock; ours may be wrong
	if err != nil {
		return jobs.Unrecoverable(fmt.Errorf("cannot advance job scheduler %q: %w", job.SchedulerID, err))
	}
	if !ok {
		return nil
	}
	if _, err := p.broker.Advance(a.ctx, next); err != nil {
		return fmt.Errorf("advance job scheduler %q: %w", job.SchedulerID, err)
	}
	return nil
}

// nextRun works out what the next run of a scheduler looks like; ok is false when
// its limit or end is reached.
func nextRun(job *jobs.Job, now time.Time) (next broker.Advance, ok bool, err error) {
	repeat, raw, err := readRepetition(job)
	if err != nil {
		return next, false, err
	}
	count := repeat.Count + 1
	if repeat.Limit > 0 && count > repeat.Limit || repeat.EndDate > 0 && float64(now.UnixMilli()) > repeat.EndDate {
		return next, false, nil
	}
	next = broker.Advance{
		Scheduler: job.SchedulerID, JobID: job.ID, Priority: job.Priority, LIFO: job.Options.LIFO,
		Every: ms(repeat.Every), Offset: ms(repeat.Offset),
	}
	if repeat.Pattern != "" {
		if next.Next, err = nextByCron(job, repeat, now); err != nil {
			return next, false, err
		}
	}
	next.Options, err = nextOptions(job, raw, count)
	return next, err == nil, err
}

func ms(n float64) time.Duration { return time.Duration(n) * time.Millisecond }

func readRepetition(job *jobs.Job) (repetition, map[string]json.RawMessage, error) {
	text, ok := job.Options.Foreign["repeat"]
	if !ok {
		return repetition{}, nil, errors.New("its job has no repeat options")
	}
	var repeat repetition
	var raw map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &repeat), json.Unmarshal(text, &raw)); err != nil {
		return repetition{}, nil, fmt.Errorf("repeat options: %w", err)
	}
	if repeat.Pattern == "" && repeat.Every <= 0 {
		return repetition{}, nil, errors.New("repeat options have neither pattern nor every")
	}
	return repeat, raw, nil
}

// nextByCron is the first time after now, the previous run and the start.
func nextByCron(job *jobs.Job, repeat repetition, now time.Time) (time.Time, error) {
	zone := time.Local
	if repeat.TZ != "" {
		var err error
		if zone, err = time.LoadLocation(repeat.TZ); err != nil {
			return time.Time{}, err
		}
	}
	schedule, err := cron.Parse(repeat.Pattern, zone)
	if err != nil {
		return time.Time{}, err
	}
	base := now
	for _, other := range []float64{repeat.StartDate, prevMillis(job)} {
		if t := time.UnixMilli(int64(other)); t.After(base) {
			base = t
		}
	}
	next, ok := schedule.Next(base)
	if !ok {
		return time.Time{}, fmt.Errorf("pattern %q never comes again", repeat.Pattern)
	}
	return next, nil
}

func prevMillis(job *jobs.Job) float64 {
	var prev float64
	if json.Unmarshal(job.Options.Foreign["prevMillis"], &prev) != nil {
		return 0 // absent: an interval, or a first run
	}
	return prev
}

// nextOptions are the current job's, with the count of the next run, and without
// what the script adds.
func nextOptions(job *jobs.Job, repeat map[string]json.RawMessage, count int) ([]byte, error) {
	o := job.Options
	o.ID, o.Delay, o.RunAt = "", 0, time.Time{}
	o.Foreign = maps.Clone(o.Foreign)
	delete(o.Foreign, "prevMillis")
	delete(o.Foreign, "timestamp")
	repeat = maps.Clone(repeat)
	repeat["count"] = json.RawMessage(fmt.Sprint(count))
	text, err := json.Marshal(repeat)
	if err != nil {
		return nil, fmt.Errorf("encode repeat options: %w", err)
	}
	o.Foreign["repeat"] = text
	return wire.EncodeOptions(o)
}
