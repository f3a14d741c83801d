package parts

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/internal/jobs/admin"
)

// QueueMetrics shows how the queues stand, for Prometheus:
//
//	tandem_queue_jobs{queue,state}             jobs in each state
//	tandem_queue_oldest_waiting_seconds{queue} how long the job that is next has stood in line
//	tandem_queue_paused{queue}                 1 while the queue is paused
//	tandem_queue_up{queue}                     0 when the counts could not be read
//
// A scrape reads Redis at most once in a few seconds, whoever asks how often, and
// only counts, which cost Redis the same however long the queues are.
type QueueMetrics struct {
	queues []Counter
	logger *slog.Logger

	mu    sync.Mutex
	read  time.Time
	known map[string]admin.Counts // without a queue whose counts could not be read
}

// How long counts are used, and how long one reading may take.
const (
	countsFresh   = 5 * time.Second
	countsTimeout = 2 * time.Second
)

var (
	queueJobs = prometheus.NewDesc("tandem_queue_jobs",
		"Jobs in a queue, by state; waiting includes prioritized ones.", []string{"queue", "state"}, nil)
	queueOldest = prometheus.NewDesc("tandem_queue_oldest_waiting_seconds",
		"How long the job that is next has stood in line, without delays and backoffs; 0 when none waits.", []string{"queue"}, nil)
	queuePaused = prometheus.NewDesc("tandem_queue_paused",
		"1 while the queue is paused.", []string{"queue"}, nil)
	queueUp = prometheus.NewDesc("tandem_queue_up",
		"0 when the counts of the queue could not be read.", []string{"queue"}, nil)
)

// NewQueueMetrics returns a collector of these queues.
func NewQueueMetrics(queues []Counter, logger *slog.Logger) *QueueMetrics {
	return &QueueMetrics{queues: queues, logger: logger}
}

// Describe implements prometheus.Collector.
func (m *QueueMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{queueJobs, queueOldest, queuePaused, queueUp} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *QueueMetrics) Collect(out chan<- prometheus.Metric) {
	known := m.counts()
	for _, q := range m.queues {
		counts, ok := known[q.Name()]
		out <- gauge(queueUp, flag(ok), q.Name())
		if ok {
			collectCounts(out, q.Name(), counts)
		}
	}
}

func collectCounts(out chan<- prometheus.Metric, queue string, c admin.Counts) {
	for state, n := range map[string]int64{
		"waiting": c.Waiting, "prioritized": c.Prioritized, "active": c.Active, "delayed": c.Delayed,
		"waiting-children": c.WaitingChildren, "completed": c.Completed, "failed": c.Failed,
	} {
		out <- gauge(queueJobs, float64(n), queue, state)
	}
	out <- gauge(queueOldest, float64(c.OldestWaitingMs)/1000, queue)
	out <- gauge(queuePaused, flag(c.Paused), queue)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func (m *QueueMetrics) counts() map[string]admin.Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.read) < countsFresh {
		return m.known
	}
	ctx, cancel := context.WithTimeout(context.Background(), countsTimeout)
	defer cancel()
	m.known = map[string]admin.Counts{}
	for _, q := range m.queues {
		counts, err := q.Counts(ctx)
		if err != nil {
			m.logger.Warn("cannot count jobs", slog.String("queue", q.Name()), slog.Any("error", err))
			continue
		}
		m.known[q.Name()] = counts
	}
	m.read = time.Now()
	return m.known
}
