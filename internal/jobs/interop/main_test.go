package interop_test

import (
	"flag"
	"os"
	"testing"

	"github.com/tandemq/tandem/internal/redistest"
)

// TestMain makes this binary a worker process when it is called as one; see
// child_test.go.
func TestMain(m *testing.M) {
	if spec := os.Getenv(asWorker); spec != "" {
		runChild(spec)
		return
	}
	// These tests wait more than they compute: for due times, locks, processes.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	redistest.Main(m)
}
