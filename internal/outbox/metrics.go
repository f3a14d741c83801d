package outbox

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Backlog says what has not reached Redis.
type Backlog struct {
	Waiting int           // entries on their way
	Oldest  time.Duration // age of the oldest of them; 0 when there is none
	GivenUp int           // entries that Redis will never accept
}

// Metrics count what a relay does and show what is left to do. A scrape reads
// memory only.
type Metrics struct {
	sent, putOff, givenUp prometheus.Counter
	waiting, oldest, lost prometheus.Gauge
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		sent:    counter("tandem_outbox_sent_total", "Entries whose job was added to its queue."),
		putOff:  counter("tandem_outbox_put_off_total", "Attempts at an entry that failed although Redis answered."),
		givenUp: counter("tandem_outbox_given_up_total", "Entries that were refused for good."),
		waiting: gauge("tandem_outbox_waiting", "Entries whose job is not in its queue yet."),
		oldest:  gauge("tandem_outbox_oldest_seconds", "Age of the oldest entry that waits."),
		lost:    gauge("tandem_outbox_given_up", "Entries in the table that were refused for good."),
	}
	registry.MustRegister(m.sent, m.putOff, m.givenUp, m.waiting, m.oldest, m.lost)
	return m
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// Watch reads the backlog every so often, until ctx is cancelled. It is a role
// beside Relay.Run: the backlog matters most when the relay does not get on.
func (m *Metrics) Watch(ctx context.Context, every time.Duration, read func(context.Context, time.Time) (Backlog, error), logger *slog.Logger) error {
	for ctx.Err() == nil {
		backlog, err := read(ctx, time.Now())
		switch {
		case err == nil:
			m.show(backlog)
		case ctx.Err() == nil:
			logger.WarnContext(ctx, "outbox backlog unknown", "error", err)
		}
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

func (m *Metrics) show(b Backlog) {
	m.waiting.Set(float64(b.Waiting))
	m.oldest.Set(b.Oldest.Seconds())
	m.lost.Set(float64(b.GivenUp))
}
