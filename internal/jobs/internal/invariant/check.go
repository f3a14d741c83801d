package invariant

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Options say what a test has done on purpose. The zero value allows nothing.
type Options struct {
	// LostLocks: locks were deleted to play a dead worker, and no sweep has
	// looked since.
	LostLocks bool
	// Ghosts: ids without a job were put into lists.
	Ghosts bool
	// Popped: a worker has taken the marker and not fetched yet.
	Popped bool
	// Limited: a rate limit is in force, which keeps work waiting by itself.
	Limited bool
}

// Must fails the test with every violation, and with a dump of the queue.
func Must(tb testing.TB, client redis.UniversalClient, keys wire.Keys, o Options) {
	tb.Helper()
	if broken := Check(tb, client, keys, o); len(broken) > 0 {
		tb.Fatalf("the queue %s is broken:\n  %s\n\n%s", keys.Base(), strings.Join(broken, "\n  "), Dump(tb, client, keys))
	}
}

// Check returns what is wrong with a queue, one sentence each, in the order of
// the sentences' letters.
func Check(tb testing.TB, client redis.UniversalClient, keys wire.Keys, o Options) []string {
	tb.Helper()
	c := &checker{snapshot: read(tb, client, keys), options: o}
	for _, rule := range []func(){
		c.keysAreKnown, c.jobsHaveOnePlace, c.workIsMarked, c.locksAreOfActiveJobs, c.stalledAreActive,
		c.fieldsAreComplete, c.finishedAgree, c.delayedAgree, c.prioritizedAgree,
		c.familiesAgree, c.ownersExist, c.settingsExist,
	} {
		rule()
	}
	slices.Sort(c.broken)
	return slices.Compact(c.broken)
}

type checker struct {
	*snapshot
	options Options
	broken  []string
	members map[string]map[string]bool // of the places that a rule has asked about
}

func (c *checker) report(format string, args ...any) {
	c.broken = append(c.broken, fmt.Sprintf(format, args...))
}

// ids lists what a place holds.
func (c *checker) ids(place string) []string {
	v := c.keys[place]
	if v.kind == "list" {
		return v.list
	}
	ids := make([]string, len(v.zset))
	for i, member := range v.zset {
		ids[i] = fmt.Sprint(member.Member)
	}
	return ids
}

// in reports whether a place holds an id. Rules ask it of every job, so the
// members are put into a set once.
func (c *checker) in(place, id string) bool {
	members, known := c.members[place]
	if !known {
		members = map[string]bool{}
		for _, id := range c.ids(place) {
			members[id] = true
		}
		if c.members == nil {
			c.members = map[string]map[string]bool{}
		}
		c.members[place] = members
	}
	return members[id]
}

// jobs calls f for each stored job.
func (c *checker) jobs(f func(id string, fields map[string]string)) {
	for _, suffix := range c.suffixes() {
		if r, id := roleOf(suffix); r == jobHash && c.keys[suffix].kind == "hash" {
			f(id, c.keys[suffix].hash)
		}
	}
}
