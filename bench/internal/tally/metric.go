// Package tally turns samples into medians, ranges, ratios and tables, and holds
// them against the goals. It reads nothing and runs nothing.
package tally

// Metric is something that is measured of a workload.
type Metric string

// The metrics. "Per job" is per job that was done.
const (
	Rate         Metric = "jobs/s"
	RedisMicros  Metric = "Redis µs/job"
	Commands     Metric = "commands/job"
	Scripts      Metric = "script calls/job"
	ClientMicros Metric = "client µs/job"
	MemoryPerJob Metric = "bytes/job"
	RSS          Metric = "resident MiB"
	Anonymous    Metric = "anonymous MiB"   // of those, what is the process's own
	FileBacked   Metric = "file-backed MiB" // of those, its program and other files
	P50          Metric = "p50 ms"
	P99          Metric = "p99 ms"
	Earliest     Metric = "earliest ms"
	Last         Metric = "all started ms"
	PerSecond    Metric = "commands/s"
)

// MoreIsBetter reports which way is good.
func (m Metric) MoreIsBetter() bool { return m == Rate || m == Earliest }

// System is who was measured.
type System string

// The systems.
const (
	Tandem System = "Tandem"
	BullMQ System = "BullMQ"
	Asynq  System = "asynq"
	Bare   System = "bare chi handler"
)

// Sample is one round of a workload on one system.
type Sample map[Metric]float64
