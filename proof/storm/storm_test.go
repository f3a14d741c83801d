package storm_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/storm"
)

// shutdown is how long the subject's jobs may run on after SIGTERM.
const shutdown = 2 * time.Second

// The mixed storm: every fault of the catalogue, overlapping, while jobs of every
// kind are added and run with the settings that are shipped.
func TestNothingIsLostInAStorm(t *testing.T) {
	t.Parallel()
	const producers = 2
	site := storm.New(t, storm.Setup{
		Subject: subject, Workers: 4, Work: []string{"-concurrency", "5", "-keep", "100000"},
		Producers: producers, Chunk: 2_000, Chunks: *jobCount / 2_000,
		Produce: []string{
			"-rate", strconv.Itoa(1 + int(float64(*jobCount)/lasting.Seconds()/producers)), "-parallel", "16", "-patience", "700ms",
			"-fail", "20", "-panic", "5", "-refuse", "10", "-exhaust", "5", "-eat", "2", "-deaf", "2", "-delayed", "50",
			"-work", "40ms", "-long", "10", "-long-for", "2500ms",
		},
		Rules: check.Rules{Shutdown: shutdown}, Patience: time.Minute,
	})
	plan := storm.Draw(*seed, *faults, lasting.Truncate(time.Second)/time.Duration(*faults), site.OfWorkers(), site.OfLinks(), site.OfServer())
	site.Start()
	site.Run(t.Context(), plan)
	report := site.Finish(t.Context())
	t.Logf("seed %d\n%s", *seed, report)
	for _, p := range site.Problems() {
		t.Error(p)
	}
	if !report.Clean() {
		t.Errorf("promises broken; run it again with -args -seed=%d", *seed)
	}
	publish(t, rows("mixed storm", report, fmt.Sprintf("jobs, %d starts, %d faults, %d deaths of processes", report.Starts, report.Faults, report.Deaths)))
	if report.Jobs < *jobCount || report.Faults < *faults*8/10 {
		t.Errorf("%d jobs and %d faults, want %d and %d", report.Jobs, report.Faults, *jobCount, *faults)
	}
}
