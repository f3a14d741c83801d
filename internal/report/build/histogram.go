package build

import (
	"math"
	"math/bits"

	"github.com/tandemq/tandem/internal/report/document"
)

// histogram holds how often each duration occurred, added in ascending order.
// It is exact below 2,048 ms; above that it keeps 11 binary digits, rounded up,
// which is off by less than 0.1 %. So it never holds more than some 50,000
// entries, however many attempts there were and however long they took.
type histogram struct {
	steps []step
	total int64
}

type step struct {
	ms    int64
	count int64
}

const exactBelow = 1 << 11

// longest caps what is not a duration any more: some 285,000 years.
const longest = 1 << 53

// add counts n durations of ms milliseconds, which must not be less than the
// one added before.
func (h *histogram) add(ms, n int64) {
	ms = roundUp(min(max(0, ms), longest))
	h.total += n
	if last := len(h.steps) - 1; last >= 0 && h.steps[last].ms == ms {
		h.steps[last].count += n
		return
	}
	h.steps = append(h.steps, step{ms, n})
}

func roundUp(ms int64) int64 {
	if ms < exactBelow {
		return ms
	}
	drop := bits.Len64(uint64(ms)) - bits.Len(exactBelow-1)
	unit := int64(1) << drop
	return (ms + unit - 1) / unit * unit
}

// quantile is the smallest duration that at least the share q of all does not
// exceed (the nearest rank), in milliseconds; None when there is none.
func (h *histogram) quantile(q float64) document.Value {
	if h.total == 0 {
		return document.None()
	}
	rank := max(1, int64(math.Ceil(q*float64(h.total))))
	var seen int64
	for _, s := range h.steps {
		if seen += s.count; seen >= rank {
			return document.Number(s.ms)
		}
	}
	return document.None()
}
