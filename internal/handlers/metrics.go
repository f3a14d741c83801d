package handlers

import (
	"errors"
	"iter"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the API. Labels are methods, route patterns and statuses: nothing
// that a client can make up.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	waiting  prometheus.Gauge
	accepted *prometheus.CounterVec
}

// newMetrics registers the metrics. The count of accepted jobs is there for every
// queue from the start: one that begins with its first job begins at 1, which no
// rate ever shows.
func newMetrics(registry prometheus.Registerer, queues iter.Seq[string]) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time to answer, without streams.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 30},
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "Requests being answered.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_job_watchers", Help: "Clients that wait for a job.",
		}),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "jobs_accepted_total", Help: "Jobs acknowledged with a 202.",
		}, []string{"queue"}),
	}
	for queue := range queues {
		m.accepted.WithLabelValues(queue)
	}
	var problems []error
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.inFlight, m.waiting, m.accepted} {
		problems = append(problems, registry.Register(c))
	}
	return m, errors.Join(problems...)
}
