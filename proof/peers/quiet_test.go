package peers_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/task"
)

// Where nothing goes wrong, nothing is found, with either kind of ids: what the
// comparison counts is the faults' doing and not an adapter's.
func TestWithoutFaultsNothingIsFoundAtAnyPeer(t *testing.T) {
	t.Parallel()
	const half = 100
	quiet := scene{
		workers: 2,
		orders: []orders{
			{name: "chosen", n: half, parallel: 4, mix: task.Mix{Work: 10 * time.Millisecond}},
			{name: "made", n: half, parallel: 4, made: true, mix: task.Mix{Work: 10 * time.Millisecond}},
		},
		patience: 30 * time.Second,
	}
	for _, p := range columns() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			got := quiet.play(t, p)
			if !got.Clean() {
				t.Error("something was found; the log has it")
			}
			if got.Jobs != 2*half || got.Acked != 2*half || got.Starts != 2*half || got.Completed != 2*half {
				t.Errorf("%d jobs, %d acknowledged, %d starts, %d completed, want %d of each", got.Jobs, got.Acked, got.Starts, got.Completed, 2*half)
			}
		})
	}
}
