package simulation

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

// bulk is some neighbours among the plan's jobs that one call adds.
type bulk struct {
	first, count int
	stubborn     bool // the producer adds again what it does not know to be stored
}

// drawBulks lets one call add some of the jobs, at the time of the first of
// them. Once in a while a crowd comes that fills more calls of the broker than
// one.
func (p *plan) drawBulks(t *rapid.T) {
	for next := 0; next < len(p.jobs) && rapid.Bool().Draw(t, "one more bulk"); {
		first := rapid.IntRange(next, len(p.jobs)-1).Draw(t, "from")
		next = first + min(rapid.IntRange(2, 12).Draw(t, "size"), len(p.jobs)-first)
		for i := first; i < next; i++ {
			p.jobs[i].at = p.jobs[first].at
		}
		p.bulks = append(p.bulks, bulk{first: first, count: next - first})
	}
	if p.mood != prompt && rapid.IntRange(0, 99).Draw(t, "crowded") == 0 {
		p.drawCrowd(t)
	}
	for i := range p.bulks {
		p.bulks[i].stubborn = rapid.Bool().Draw(t, "stubborn bulk") && !p.anyVanishes(p.bulks[i])
	}
}

// drawCrowd adds a bulk of many small jobs behind all others.
func (p *plan) drawCrowd(t *rapid.T) {
	crowd := bulk{first: len(p.jobs), count: rapid.IntRange(broker.MaxBatch+1, 2*broker.MaxBatch+20).Draw(t, "crowd")}
	at := moment(t, "crowd at", 25*time.Second, 30*time.Second)
	if p.mood == orderly {
		at = 0
	}
	urgencies := []jobs.Priority{jobs.Unprioritized, jobs.Normal, jobs.High}
	for i := range crowd.count {
		p.jobs = append(p.jobs, jobPlan{
			at: at, options: jobs.Options{Priority: urgencies[i%len(urgencies)]},
			attempts: []attempt{{busy: 5 * time.Millisecond, how: succeeds}},
		})
	}
	p.bulks = append(p.bulks, crowd)
}

func (p *plan) anyVanishes(b bulk) bool {
	for i := range p.jobs[b.first : b.first+b.count] {
		if p.jobs[b.first+i].keepsNothing() {
			return true
		}
	}
	return false
}

// bulkAt is the bulk that begins with a job, or nil.
func (p *plan) bulkAt(job int) *bulk {
	for i := range p.bulks {
		if p.bulks[i].first == job {
			return &p.bulks[i]
		}
	}
	return nil
}

// torn: a bulk is stored in groups of what one call of the broker carries, each
// of them whole and at once, or not at all.
func (w *world) torn(stories []*story) (broken []string) {
	stored := map[int]time.Time{} // when each job of the plan was, at first
	for _, s := range stories {
		if at, ok := s.first(jobs.EventAdded); ok {
			stored[s.adds[0].job] = at
		}
	}
	for _, b := range w.plan.bulks {
		for first := b.first; first < b.first+b.count; first += broker.MaxBatch {
			last := min(first+broker.MaxBatch, b.first+b.count) - 1
			broken = append(broken, tear(stored, first, last)...)
		}
	}
	return broken
}

func tear(stored map[int]time.Time, first, last int) []string {
	begin, whole := stored[first]
	for i := first + 1; i <= last; i++ {
		at, ok := stored[i]
		switch {
		case ok != whole:
			return []string{fmt.Sprintf("torn: of jobs %d to %d of one call only a part was stored: %d %t, %d %t", first, last, first, whole, i, ok)}
		case !at.Equal(begin):
			return []string{fmt.Sprintf("torn: of jobs %d to %d of one call %d was stored at %s and %d at %s", first, last, first, clock(begin), i, clock(at))}
		}
	}
	return nil
}
