package storm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/promises"
	"github.com/tandemq/tandem/proof/storm"
)

// shutdown is how long the subject's jobs may run on after SIGTERM.
const shutdown = 2 * time.Second

// The mixed storm: every fault of the catalogue, overlapping, while jobs of every
// kind are added and run.
func TestNothingIsLostInAStorm(t *testing.T) {
	t.Parallel()
	site := storm.New(t, mixed(t))
	plan := storm.Spread(*seed, *faults, *lasting, site.OfWorkers(), site.OfLinks(), site.OfServer())
	site.Start()
	site.Run(t.Context(), plan)
	report, err := site.Finish(t.Context())
	for _, p := range site.Problems() {
		t.Error(p)
	}
	if err != nil {
		publish(t, []promises.Row{{Name: stormName, Goal: stormGoal, Measured: "cannot be told: " + err.Error()}})
		t.Fatal(err)
	}
	t.Logf("seed %d\n%s", *seed, report)
	if !report.Clean() {
		t.Errorf("promises broken; run it again with -args -seed=%d", *seed)
	}
	if report.Jobs < *jobCount || report.Faults < *faults*8/10 {
		t.Errorf("%d jobs and %d faults, want %d and %d", report.Jobs, report.Faults, *jobCount, *faults)
	}
	publish(t, rows(report, len(site.Problems()), fmt.Sprintf("jobs, %d starts, %d faults, %d deaths of processes", report.Starts, report.Faults, report.Deaths)))
}

// mixed is a site for so many jobs in so much time. Work is as long as the slots
// have time for: they stand idle while the server, or their process, is away.
func mixed(t *testing.T) storm.Setup {
	const producers, workers, chunk = 2, 4, 2_000
	rate := float64(*jobCount) / lasting.Seconds()
	concurrency, work, long := 5, "40ms", "10"
	if *campaign {
		concurrency, work, long = 10, "20ms", "4"
	}
	setup := storm.Setup{
		Subject: subject, Workers: workers, Work: []string{"-concurrency", strconv.Itoa(concurrency), "-keep", "100000"},
		Producers: producers, Chunk: chunk, Chunks: *jobCount / chunk, Steady: true,
		Produce: []string{
			"-rate", strconv.Itoa(1 + int(spare*rate/producers)), "-parallel", "16", "-patience", "700ms",
			"-fail", "20", "-panic", "5", "-refuse", "10", "-exhaust", "5", "-eat", "2", "-deaf", "2", "-delayed", "50",
			"-work", work, "-long", long, "-long-for", "2500ms",
		},
		Rules: check.Rules{Shutdown: shutdown}, Patience: time.Minute,
	}
	if *evidence != "" {
		setup.Dir = keep(t, filepath.Join(*evidence, "storm"))
		setup.Tell = func(line string) { fmt.Println("storm after", line) }
	}
	return setup
}

// spare is how much faster producers go than they would have to without faults.
const spare = 1.3

// keep makes a directory that goes when the test has passed, and stays when it has not.
func keep(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			fmt.Printf("evidence of %s: %s\n", t.Name(), dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
