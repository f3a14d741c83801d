package storm_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/storm"
)

// Each short scenario, in which the mutants are caught, is clean without them.
func TestScenariosAreClean(t *testing.T) {
	t.Parallel()
	scenarios := storm.Scenarios()
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcome := scenarios[name].Run(t, subject, nil, *seed)
			t.Log(outcome.Report)
			if !outcome.Clean() {
				t.Errorf("promises broken with -args -seed=%d; problems: %v", *seed, outcome.Problems)
			}
		})
	}
}

// Processes that live through many faults are no larger in the end.
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	lasting := 40 * time.Second
	if *campaign {
		lasting = 6 * time.Minute
	}
	outcome := storm.Soak(lasting).Run(t, subject, nil, *seed)
	t.Log(outcome.Report)
	if !outcome.Clean() {
		t.Errorf("promises broken with -args -seed=%d; problems: %v", *seed, outcome.Problems)
	}
}
