// Package task says what the jobs of a campaign do, and how each has to end.
//
// The payload tells the handler what to do, and the producer's intent in the
// ledger what must come of it, so that whoever checks needs no other knowledge.
package task

import (
	"math/rand/v2"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Task is the payload of a job.
type Task struct {
	Key   string `json:"k"`            // the producer's name for the job
	Do    Deed   `json:"do"`           // what the handler does
	Ms    int    `json:"ms,omitempty"` // how long it works before that
	Times int    `json:"n,omitempty"`  // how often, for Fail and Panic
	Bytes int    `json:"b,omitempty"`  // how much memory, for Eat
}

// Deed is what a handler does when its time is over.
type Deed string

// What handlers do. All but the last two honour their context.
const (
	Succeed Deed = "ok"
	Fail    Deed = "fail"    // with an error, Times times, then succeed
	Panic   Deed = "panic"   // the same with a panic
	Refuse  Deed = "refuse"  // with an error that is for good
	Exhaust Deed = "exhaust" // with an error, on every attempt
	Eat     Deed = "eat"     // take Bytes of memory, then succeed
	Deaf    Deed = "deaf"    // do not hear that the context ends, then succeed
	Kill    Deed = "kill"    // kill the own process with SIGKILL
)

// Want is how a job that does this has to end.
func (t *Task) Want() jobs.State {
	switch t.Do {
	case Refuse, Exhaust, Kill:
		return jobs.Failed
	default:
		return jobs.Completed
	}
}

// Options are those that the deed needs: one attempt where a second would hide
// that the first was lost.
func (t *Task) Options() jobs.Options {
	o := jobs.Options{}
	switch t.Do {
	case Fail, Panic:
		o.Attempts = t.Times + 1
		o.Backoff = jobs.Backoff{Type: jobs.Fixed, Delay: 50 * time.Millisecond}
	case Exhaust:
		o.Attempts = 3
	}
	return o
}

// Mix says how many of a thousand jobs do what; the others succeed. The zero
// value is jobs that succeed at once.
type Mix struct {
	Fail, Panic, Refuse, Exhaust, Eat, Deaf, Kill int
	Work                                          time.Duration // at most, at random
	Long                                          int           // of a thousand, work LongFor
	LongFor                                       time.Duration
}

// Draw makes a task.
func (m Mix) Draw(r *rand.Rand, key string) Task {
	t := Task{Key: key, Do: m.deed(r.IntN(1000)), Times: 1 + r.IntN(2)}
	if m.Work > 0 {
		t.Ms = r.IntN(int(m.Work.Milliseconds()) + 1)
	}
	if r.IntN(1000) < m.Long {
		t.Ms = int(m.LongFor.Milliseconds())
	}
	if t.Do == Eat {
		t.Bytes = 16 << 20
	}
	return t
}

func (m Mix) deed(n int) Deed {
	for _, share := range []struct {
		of int
		do Deed
	}{{m.Fail, Fail}, {m.Panic, Panic}, {m.Refuse, Refuse}, {m.Exhaust, Exhaust}, {m.Eat, Eat}, {m.Deaf, Deaf}, {m.Kill, Kill}} {
		if n -= share.of; n < 0 {
			return share.do
		}
	}
	return Succeed
}
