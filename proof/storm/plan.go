package storm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/ledger"
)

// Lane is a row of faults, one after the other.
type Lane struct {
	Name   string
	Faults []inject.Fault
}

// Step is one fault of a plan.
type Step struct {
	Gap   time.Duration // after the one before has healed
	At    time.Duration // since the plan began, and not before the one before has healed
	Fault int           // its place in the lane
	Seed  uint64        // decides its details
}

// Plan is what will happen, drawn before anything does.
type Plan struct {
	Seed  uint64
	Lanes []Lane
	Steps [][]Step // for each lane
}

// Draw makes a plan of n faults, shared among the lanes. Each fault of a lane
// comes once before any comes again. The same seed gives the same plan.
func Draw(seed uint64, n int, longestGap time.Duration, lanes ...Lane) *Plan {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &Plan{Seed: seed, Lanes: lanes, Steps: make([][]Step, len(lanes))}
	for i, lane := range lanes {
		var order []int
		for range (n + i) / len(lanes) {
			if len(order) == 0 {
				order = r.Perm(len(lane.Faults))
			}
			gap := time.Duration(r.Int64N(longestGap.Milliseconds()+1)) * time.Millisecond
			p.Steps[i] = append(p.Steps[i], Step{Gap: gap, Fault: order[0], Seed: r.Uint64()})
			order = order[1:]
		}
	}
	return p
}

// Spread makes a plan of n faults like Draw, each of which has its moment within
// lasting: the plan takes that long, whatever its faults take. What is late because
// the fault before it in the lane has not healed follows that at once.
func Spread(seed uint64, n int, lasting time.Duration, lanes ...Lane) *Plan {
	p := Draw(seed, n, 0, lanes...)
	r := rand.New(rand.NewPCG(seed, 2))
	for _, steps := range p.Steps {
		moments := make([]time.Duration, len(steps))
		for i := range moments {
			moments[i] = time.Duration(r.Int64N(lasting.Milliseconds()+1)) * time.Millisecond
		}
		slices.Sort(moments)
		for i := range steps {
			steps[i].At = moments[i]
		}
	}
	return p
}

// String lists the plan, a line for each lane.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan of seed %d\n", p.Seed)
	for i, lane := range p.Lanes {
		fmt.Fprintf(&b, "  %s:", lane.Name)
		for _, step := range p.Steps[i] {
			fmt.Fprintf(&b, " %s %s", step.when(), lane.Faults[step.Fault].Name)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// when says +gap or @moment.
func (s Step) when() string {
	if s.At > 0 {
		return "@" + s.At.String()
	}
	return "+" + s.Gap.String()
}

// errMissed is the end of a fault that found nothing to happen to.
var errMissed = errors.New("nothing came by in time")

// Run lets the plan happen and returns when everything has healed.
func (s *Site) Run(ctx context.Context, p *Plan) {
	s.tb.Helper()
	s.tb.Log(p)
	begun := time.Now()
	var lanes sync.WaitGroup
	for i, lane := range p.Lanes {
		lanes.Go(func() {
			for _, step := range p.Steps[i] {
				pause(ctx, max(step.Gap, time.Until(begun.Add(step.At))))
				s.strike(ctx, lane.Faults[step.Fault], step.Seed)
			}
		})
	}
	lanes.Wait()
	s.stormed.Store(true)
}

// strike does one fault and writes it down.
func (s *Site) strike(ctx context.Context, f inject.Fault, seed uint64) {
	if ctx.Err() != nil {
		return
	}
	begin := ledger.Now()
	err := f.Do(ctx, rand.New(rand.NewPCG(seed, 1)))
	if errors.Is(err, errMissed) {
		s.missed.Add(1)
		return
	}
	s.struck.Add(1)
	s.book.Add(ledger.Entry{At: begin, Kind: ledger.Fault, Text: f.Name, Word: "begin"})
	s.book.Add(ledger.Entry{Kind: ledger.Fault, Text: f.Name, Word: "end"})
	if err != nil {
		s.problem("fault %s: %v", f.Name, err)
	}
}
