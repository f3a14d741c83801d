package store

import "github.com/prometheus/client_golang/prometheus"

// Register makes the state of the log visible: how many runs wait, and how many
// were lost.
func (l *RunLog) Register(registry prometheus.Registerer) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tandem_job_history_buffered", Help: "Attempts that are not in the database yet.",
		}, func() float64 { return float64(l.Buffered()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tandem_job_history_dropped_total", Help: "Attempts that will never be in the database.",
		}, func() float64 { return float64(l.Dropped()) }),
	)
}
