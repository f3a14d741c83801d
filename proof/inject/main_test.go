package inject_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// always is a server that syncs before it answers.
func always() []string { return append(inject.Config(), "appendonly yes", "appendfsync always") }

// chance is the same in every run.
func chance() *rand.Rand { return rand.New(rand.NewPCG(6, 2026)) }

func exactly(d time.Duration) inject.Span { return inject.Span{Min: d, Max: d} }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
