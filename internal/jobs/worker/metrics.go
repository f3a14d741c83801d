package worker

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// Status is what became of an attempt, for logs, metrics and history.
type Status string

// The statuses of an attempt.
const (
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"   // for good
	StatusRetrying  Status = "retrying" // another attempt follows
	StatusSnoozed   Status = "snoozed"  // put aside, not counted
	StatusReleased  Status = "released" // handed back at shutdown, not counted
	StatusLost      Status = "lost"     // the lock was lost: the outcome was refused
)

var statuses = map[broker.Kind]Status{
	broker.Completed: StatusCompleted, broker.Failed: StatusFailed,
	broker.Retry: StatusRetrying, broker.RetryFirst: StatusRetrying, broker.Backoff: StatusRetrying,
	broker.Snooze: StatusSnoozed, broker.Release: StatusReleased, "": StatusLost,
}

// Attempt is one attempt that has ended.
type Attempt struct {
	Job      *jobs.Job
	Number   int // from 1
	Status   Status
	Error    error // nil when it completed
	Worker   string
	Started  time.Time
	Finished time.Time
	// Waited is how long a first attempt waited from when the job was added, or
	// due; zero for later attempts.
	Waited time.Duration
}

// Duration is how long the handler ran.
func (a Attempt) Duration() time.Duration { return a.Finished.Sub(a.Started) }

// Metrics are a pool's own counts since it started.
type Metrics struct {
	ActiveJobs        int64   `json:"activeJobs"`
	CompletedJobs     int64   `json:"completedJobs"`
	FailedJobs        int64   `json:"failedJobs"`        // for good
	AvgProcessingTime float64 `json:"avgProcessingTime"` // ms, of attempts that ran to an outcome
	UptimeMs          int64   `json:"uptimeMs"`
}

// counters are what Metrics is made of.
type counters struct {
	active, completed, failed atomic.Int64
	ended, busy               atomic.Int64 // attempts, and their nanoseconds
	recovered                 atomic.Int64 // jobs taken back from dead workers
}

func (c *counters) count(a Attempt) {
	switch a.Status {
	case StatusCompleted:
		c.completed.Add(1)
	case StatusFailed:
		c.failed.Add(1)
	case StatusRetrying:
	default:
		return
	}
	c.ended.Add(1)
	c.busy.Add(int64(a.Duration()))
}

func (c *counters) read(since time.Time) Metrics {
	m := Metrics{
		ActiveJobs:    c.active.Load(),
		CompletedJobs: c.completed.Load(),
		FailedJobs:    c.failed.Load(),
	}
	if n := c.ended.Load(); n > 0 {
		m.AvgProcessingTime = float64(c.busy.Load()) / float64(n) / float64(time.Millisecond)
	}
	if !since.IsZero() {
		m.UptimeMs = time.Since(since).Milliseconds()
	}
	return m
}

// Collector counts attempts for Prometheus. Its Observe is an OnAttempt.
//
//	jobs_processed{job_type,status}  attempts by outcome
//	job_duration_ms{job_type}        how long handlers ran
//	job_wait_ms{job_type}            how long first attempts waited
//	tandem_jobs_failed_total{queue,reason}  jobs that failed for good: exhausted
//	                                 when no attempts were left, quarantined when they
//	                                 killed their workers, else unrecoverable
//
// The job type is the queue's name: each type has a queue of its own, and names
// of jobs are the callers' to choose.
type Collector struct {
	processed *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	wait      *prometheus.HistogramVec
	failed    *prometheus.CounterVec
}

// milliseconds are the borders of the histograms: 1 ms to about 9 minutes.
var milliseconds = prometheus.ExponentialBuckets(1, 3, 13)

// NewCollector registers the metrics.
func NewCollector(r prometheus.Registerer) (*Collector, error) {
	c := &Collector{
		processed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jobs_processed", Help: "Attempts that ended, by outcome.",
		}, []string{"job_type", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "job_duration_ms", Help: "How long handlers ran, in milliseconds.", Buckets: milliseconds,
		}, []string{"job_type"}),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "job_wait_ms", Help: "How long jobs waited for their first attempt, in milliseconds.", Buckets: milliseconds,
		}, []string{"job_type"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tandem_jobs_failed_total", Help: "Jobs that failed for good, by whether attempts were left.",
		}, []string{"queue", "reason"}),
	}
	for _, metric := range []prometheus.Collector{c.processed, c.duration, c.wait, c.failed} {
		if err := r.Register(metric); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Expect shows the counts of these queues as 0 until something happens. A count
// that begins with its first event begins at 1, which no rate ever shows.
func (c *Collector) Expect(queues ...string) {
	for _, queue := range queues {
		for _, status := range statuses {
			c.processed.WithLabelValues(queue, string(status))
		}
		for _, reason := range []string{reasonExhausted, reasonQuarantined, reasonUnrecoverable} {
			c.failed.WithLabelValues(queue, reason)
		}
	}
}

// Observe counts one attempt.
func (c *Collector) Observe(a Attempt) {
	c.processed.WithLabelValues(a.Job.Queue, string(a.Status)).Inc()
	c.duration.WithLabelValues(a.Job.Queue).Observe(float64(a.Duration()) / float64(time.Millisecond))
	if a.Status == StatusFailed {
		c.failed.WithLabelValues(a.Job.Queue, failureReason(a)).Inc()
	}
	if a.Number == 1 {
		c.wait.WithLabelValues(a.Job.Queue).Observe(float64(a.Waited) / float64(time.Millisecond))
	}
}

// Why a job failed for good.
const (
	reasonExhausted     = "exhausted"
	reasonQuarantined   = "quarantined"
	reasonUnrecoverable = "unrecoverable"
)

func failureReason(a Attempt) string {
	switch {
	case errors.Is(a.Error, errQuarantined):
		return reasonQuarantined
	case !jobs.IsUnrecoverable(a.Error) && a.Number >= a.Job.MaxAttempts():
		return reasonExhausted
	default:
		return reasonUnrecoverable
	}
}

// PoolCollector shows how pools stand, for Prometheus:
//
//	tandem_worker_slots{queue}              jobs that run at a time at most
//	tandem_worker_active{queue}             jobs that run now
//	tandem_worker_pulse_age_seconds{queue}  since the pool last heard from Redis
//	tandem_jobs_stalled_total{queue}        jobs taken back from dead workers
type PoolCollector struct{ pools []*Pool }

// NewPoolCollector returns a collector of these pools.
func NewPoolCollector(pools ...*Pool) *PoolCollector { return &PoolCollector{pools} }

var (
	poolSlots = prometheus.NewDesc("tandem_worker_slots",
		"Jobs that the pool runs at a time at most.", []string{"queue"}, nil)
	poolActive = prometheus.NewDesc("tandem_worker_active",
		"Jobs that the pool runs now.", []string{"queue"}, nil)
	poolPulse = prometheus.NewDesc("tandem_worker_pulse_age_seconds",
		"Time since the pool last heard from Redis about its queue.", []string{"queue"}, nil)
	poolStalled = prometheus.NewDesc("tandem_jobs_stalled_total",
		"Jobs that the pool took back from dead workers.", []string{"queue"}, nil)
)

// Describe implements prometheus.Collector.
func (c *PoolCollector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{poolSlots, poolActive, poolPulse, poolStalled} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *PoolCollector) Collect(out chan<- prometheus.Metric) {
	for _, p := range c.pools {
		gauge := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
			out <- prometheus.MustNewConstMetric(desc, kind, value, p.queue)
		}
		gauge(poolSlots, prometheus.GaugeValue, float64(p.options.Concurrency))
		gauge(poolActive, prometheus.GaugeValue, float64(p.counters.active.Load()))
		gauge(poolStalled, prometheus.CounterValue, float64(p.counters.recovered.Load()))
		if last := p.LastPulse(); last.Unix() > 0 {
			gauge(poolPulse, prometheus.GaugeValue, time.Since(last).Seconds())
		}
	}
}
