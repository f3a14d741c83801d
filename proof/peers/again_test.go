package peers_test

import (
	"cmp"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/ledger"
)

// A process that has done an effect and goes on for as long as this has had the
// time to store the outcome, or to see that it cannot yet and to keep it.
const (
	awhile = time.Second
	enough = 10 * time.Second
)

// again counts the effects that an attempt did once more which began after the
// first one was done, although the process of the first one was well: it neither
// died nor stood still soon after. That is seen from its ledger, where it went on
// to write.
func again(entries iter.Seq2[ledger.Entry, error]) (n int, err error) {
	starts, effects := map[string][]ledger.Entry{}, map[string][]ledger.Entry{} // by id
	lines := map[int][]int64{}                                                  // by pid
	gone := map[int]int64{}
	for e, err := range entries {
		if err != nil {
			return 0, err
		}
		switch e.Kind {
		case ledger.Start:
			starts[e.ID] = append(starts[e.ID], e)
		case ledger.Effect:
			effects[e.ID] = append(effects[e.ID], e)
		}
		if e.Kind == ledger.Process && e.Word == "gone" {
			gone[e.Pid] = e.At // told by another process
			continue
		}
		lines[e.Pid] = append(lines[e.Pid], e.At)
	}
	for id, of := range effects {
		slices.SortFunc(of, func(a, b ledger.Entry) int { return cmp.Compare(a.At, b.At) })
		for i, next := range of[1:] {
			first := of[i]
			if began(starts[id], next) > first.At && well(first.At, lines[first.Pid], gone[first.Pid]) {
				n++
			}
		}
	}
	return n, nil
}

// began is when the attempt began that did an effect.
func began(starts []ledger.Entry, effect ledger.Entry) (at int64) {
	for _, s := range starts {
		if s.Pid == effect.Pid && s.At <= effect.At {
			at = max(at, s.At)
		}
	}
	return at
}

// well reports whether a process wrote lines for some time after a moment, and
// did not die meanwhile; died is 0 for never.
func well(after int64, lines []int64, died int64) bool {
	if died != 0 && died <= after+enough.Microseconds() {
		return false
	}
	return slices.ContainsFunc(lines, func(at int64) bool {
		return at > after+awhile.Microseconds() && at <= after+enough.Microseconds()
	})
}

func TestAnEffectIsDoneAgainWithoutCauseOnlyByAWorkerThatWasWell(t *testing.T) {
	t.Parallel()
	second := func(n int64) int64 { return n * 1_000_000 }
	twice := []ledger.Entry{
		{At: second(9), Kind: ledger.Start, ID: "a", Pid: 1}, {At: second(10), Kind: ledger.Effect, ID: "a", Pid: 1},
		{At: second(59), Kind: ledger.Start, ID: "a", Pid: 2}, {At: second(60), Kind: ledger.Effect, ID: "a", Pid: 2},
		// That of 4 stood still while 3 did the job.
		{At: second(1), Kind: ledger.Start, ID: "c", Pid: 4}, {At: second(40), Kind: ledger.Effect, ID: "c", Pid: 4},
		{At: second(29), Kind: ledger.Start, ID: "c", Pid: 3}, {At: second(30), Kind: ledger.Effect, ID: "c", Pid: 3},
		{At: second(33), Kind: ledger.Start, ID: "d", Pid: 3},
	}
	for name, c := range map[string]struct {
		more []ledger.Entry
		want int
	}{
		"it went on":            {[]ledger.Entry{{At: second(13), Kind: ledger.Start, ID: "b", Pid: 1}}, 1},
		"it was silent":         {nil, 0},
		"it stood still":        {[]ledger.Entry{{At: second(43), Kind: ledger.Start, ID: "b", Pid: 1}}, 0},
		"another one went on":   {[]ledger.Entry{{At: second(13), Kind: ledger.Start, ID: "b", Pid: 5}}, 0},
		"it died soon":          {[]ledger.Entry{{At: second(13), Kind: ledger.Start, ID: "b", Pid: 1}, {At: second(14), Kind: ledger.Process, Pid: 1, Word: "gone"}}, 0},
		"it died much later":    {[]ledger.Entry{{At: second(13), Kind: ledger.Start, ID: "b", Pid: 1}, {At: second(40), Kind: ledger.Process, Pid: 1, Word: "gone"}}, 1},
		"it did something else": {[]ledger.Entry{{At: second(13), Kind: ledger.Effect, ID: "b", Pid: 1}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := again(func(yield func(ledger.Entry, error) bool) {
				for _, e := range slices.Concat(twice, c.more) {
					if !yield(e, nil) {
						return
					}
				}
			})
			if err != nil || got != c.want {
				t.Errorf("%d and %v, want %d", got, err, c.want)
			}
		})
	}
}
