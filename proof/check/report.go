package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Kind is what is wrong; the package comment explains each.
type Kind string

// The kinds of findings.
const (
	Lost        Kind = "lost"
	Stuck       Kind = "stuck"
	Unexpected  Kind = "unexpected"
	Duplicate   Kind = "duplicate"
	FalseError  Kind = "false error"
	SecondStart Kind = "second start"
	Finishes    Kind = "finishes"
	Innocent    Kind = "innocent"
	Spared      Kind = "spared"
	NoEffect    Kind = "no effect"
	Repeated    Kind = "repeated"
	Inversion   Kind = "inversion"
	Early       Kind = "early"
	Late        Kind = "late"
	Leak        Kind = "leak"
	Leftover    Kind = "leftover"
)

// Kinds lists them all.
func Kinds() []Kind {
	return []Kind{
		Lost, Stuck, Unexpected, Duplicate, FalseError, SecondStart, Finishes, Innocent, Spared, NoEffect, Repeated, Inversion, Early, Late, Leak, Leftover,
	}
}

// Finding is one thing that cannot be.
type Finding struct {
	Kind Kind
	Job  string // key or id
	Text string
}

// Report is the result of a check.
type Report struct {
	Jobs      int // that producers meant to add
	Acked     int
	Unsure    int // of which an answer was an error after which the job may be there
	Starts    int
	Completed int
	Failed    int
	Recovered int // attempts that followed one that died with its process
	Handed    int // attempts that were handed back at a shutdown
	Refused   int // outcomes that came too late
	Repeated  int // effects done more than once: by a worker that died, or lost its lease, after the effect
	Faults    int
	Deaths    int // processes that ended without having been asked to

	// Recovery is from the death of a process to the next start of each job it
	// was running; Resume from each return of the server to the next start of any
	// job; Wait from the acknowledgement of a job to its first start.
	Recovery, Resume, Wait Spread

	Counts   map[Kind]int
	Findings []Finding // the first few of each kind
}

// Clean reports that nothing was found.
func (r *Report) Clean() bool { return len(r.Counts) == 0 }

// shown is how many findings of a kind are kept in words.
const shown = 10

func (r *Report) find(kind Kind, job, format string, args ...any) {
	if r.Counts == nil {
		r.Counts = map[Kind]int{}
	}
	r.Counts[kind]++
	if r.Counts[kind] <= shown {
		r.Findings = append(r.Findings, Finding{kind, job, fmt.Sprintf(format, args...)})
	}
}

// String is the report for people.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d jobs, %d acknowledged (%d after doubt), %d starts, %d completed, %d failed\n",
		r.Jobs, r.Acked, r.Unsure, r.Starts, r.Completed, r.Failed)
	fmt.Fprintf(&b, "%d faults, %d processes died; %d attempts recovered, %d handed back, %d late outcomes refused, %d effects repeated\n",
		r.Faults, r.Deaths, r.Recovered, r.Handed, r.Refused, r.Repeated)
	fmt.Fprintf(&b, "recovery %s; resume %s; wait %s\n", &r.Recovery, &r.Resume, &r.Wait)
	for _, kind := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(&b, "%s: %d\n", kind, r.Counts[kind])
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  %s %s: %s\n", f.Kind, f.Job, f.Text)
	}
	return b.String()
}

// Spread is how a duration was distributed.
type Spread struct {
	N             int
	P50, P99, Max time.Duration
}

func (s *Spread) String() string {
	if s.N == 0 {
		return "never"
	}
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("p50 %s, p99 %s, at most %s (%d)", round(s.P50), round(s.P99), round(s.Max), s.N)
}

// spread sorts micros.
func spread(micros []int64) Spread {
	if len(micros) == 0 {
		return Spread{}
	}
	slices.Sort(micros)
	at := func(share float64) time.Duration {
		return time.Duration(micros[int(share*float64(len(micros)-1))]) * time.Microsecond
	}
	return Spread{N: len(micros), P50: at(0.5), P99: at(0.99), Max: at(1)}
}
