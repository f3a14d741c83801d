package interop_test

import (
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
	redistest.Main(m)
}
