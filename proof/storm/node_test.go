package storm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tandemq/tandem/proof/storm"
)

// Workers of the official Node client, in both majors and one with a clock that
// is an hour wrong, share the queue with ours under the same faults.
func TestAMixedFleetKeepsItsPromises(t *testing.T) {
	t.Parallel()
	needNode(t)
	for name, scenario := range storm.Fleets() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcome := scenario.Run(t, subject, nil, *seed)
			t.Log(outcome.Report)
			if !outcome.Clean() {
				t.Errorf("promises broken with -args -seed=%d; problems: %v", *seed, outcome.Problems)
			}
		})
	}
}

func needNode(t *testing.T) {
	t.Helper()
	_, missing := exec.LookPath("node")
	if _, err := os.Stat(filepath.Join(storm.NodeDir, "node_modules", "bullmq")); err != nil {
		missing = err
	}
	if missing == nil {
		return
	}
	if os.Getenv("REDISTEST_STRICT") == "1" {
		t.Fatalf("the Node client is not there, and REDISTEST_STRICT=1 forbids skipping: %v", missing)
	}
	t.Skipf("skipped, the Node client is not there (make test-interop installs it): %v", missing)
}
