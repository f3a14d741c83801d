package broker_test

import (
	"flag"
	"testing"

	"github.com/tandemq/tandem/internal/redistest"
)

// TestMain keeps the model test short unless the command line says otherwise:
// every step of it is several round trips.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	redistest.Main(m)
}
