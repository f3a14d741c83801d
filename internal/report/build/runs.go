package build

import (
	"context"
	"database/sql"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// attempts sums up rows of job_runs, each of which is one attempt. An attempt
// that was put aside (snoozed) or handed back by a stopping worker (released)
// is not counted: it was nobody's failure, and it is not an end.
type attempts struct {
	completed int64 // attempts that ended their job well
	failed    int64 // attempts that ended their job badly
	retried   int64 // attempts that failed and were tried again
	runMs     int64 // running time of all of them
	waitMs    int64 // time they spent waiting to run
	longestMs int64
}

func (a *attempts) all() int64      { return a.completed + a.failed + a.retried }
func (a *attempts) finished() int64 { return a.completed + a.failed }
func (a *attempts) bad() int64      { return a.failed + a.retried }

func (a *attempts) add(o *attempts) {
	a.completed += o.completed
	a.failed += o.failed
	a.retried += o.retried
	a.runMs += o.runMs
	a.waitMs += o.waitMs
	a.longestMs = max(a.longestMs, o.longestMs)
}

func (a *attempts) averageRun() document.Value  { return document.Ratio(a.runMs, a.all()) }
func (a *attempts) averageWait() document.Value { return document.Ratio(a.waitMs, a.all()) }
func (a *attempts) success() document.Value     { return document.Ratio(a.completed, a.finished()) }
func (a *attempts) failureRate() document.Value { return document.Ratio(a.bad(), a.all()) }

// runs is what job_runs holds of one tenant in one range.
type runs struct {
	total   attempts
	days    []attempts           // by bucket
	byQueue tally[dailyAttempts] // by queue
	byJob   tally[namedAttempts] // by queue and job name
}

// dailyAttempts are the attempts of one queue, in all and by bucket.
type dailyAttempts struct {
	attempts
	days []attempts
}

func (d *dailyAttempts) day(i, of int) *attempts {
	if d.days == nil {
		d.days = make([]attempts, of)
	}
	return &d.days[i]
}

func addDaily(sum, n *dailyAttempts) {
	sum.add(&n.attempts)
	for i := range n.days {
		sum.day(i, len(n.days)).add(&n.days[i])
	}
}

type namedAttempts struct {
	attempts
	queue, job string
}

func addNamed(sum, n *namedAttempts) {
	sum.add(&n.attempts)
	sum.queue, sum.job = rest, ""
}

// counted are the statuses of job_runs that count as an attempt.
const counted = "status IN ('completed', 'failed', 'retrying')"

// readRuns counts the attempts that ended in the range.
func (b *Builder) readRuns(ctx context.Context, tenant string, r report.Range, buckets []report.Bucket) (*runs, error) {
	var s statement
	s.add("SELECT bucket, queue, job_name, status, COUNT(*), CAST(SUM(duration_ms) AS BIGINT), CAST(SUM(wait_ms) AS BIGINT), MAX(duration_ms) FROM (SELECT ")
	s.bucket("finished_at", buckets, unixMilli).add(" AS bucket, queue, job_name, status, duration_ms, wait_ms FROM job_runs WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND ", counted, " AND ").within("finished_at", r, unixMilli)
	s.add(") AS r GROUP BY bucket, queue, job_name, status ORDER BY bucket, queue, job_name, status")

	found := &runs{
		days:    make([]attempts, len(buckets)),
		byQueue: newTally[dailyAttempts](),
		byJob:   newTally[namedAttempts](),
	}
	err := s.each(ctx, b.service, func(rows *sql.Rows) error {
		var bucket int
		var queue, job, status string
		var n attemptRow
		if err := rows.Scan(&bucket, &queue, &job, &status, &n.count, &n.runMs, &n.waitMs, &n.longestMs); err != nil {
			return err
		}
		found.count(bucket, queue, job, n.as(status))
		return nil
	})
	return found, err
}

type attemptRow struct{ count, runMs, waitMs, longestMs int64 }

func (n attemptRow) as(status string) *attempts {
	a := &attempts{runMs: n.runMs, waitMs: n.waitMs, longestMs: n.longestMs}
	switch status {
	case "completed":
		a.completed = n.count
	case "failed":
		a.failed = n.count
	case "retrying":
		a.retried = n.count
	}
	return a
}

func (r *runs) count(bucket int, queue, job string, a *attempts) {
	r.total.add(a)
	r.days[bucket].add(a)
	q := r.byQueue.at(queue)
	q.add(a)
	q.day(bucket, len(r.days)).add(a)
	j := r.byJob.at(queue + " / " + job)
	j.add(a)
	j.queue, j.job = queue, job
}

// before sums up the attempts of the range before r.
func (b *Builder) before(ctx context.Context, tenant string, r report.Range) (attempts, error) {
	previous := r.Previous()
	found, err := b.readRuns(ctx, tenant, previous, wholeRange(previous))
	if err != nil {
		return attempts{}, err
	}
	return found.total, nil
}

// wholeRange is the range as one bucket.
func wholeRange(r report.Range) []report.Bucket {
	return []report.Bucket{{Start: r.Start, End: r.End}}
}
