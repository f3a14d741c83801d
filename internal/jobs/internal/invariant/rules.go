package invariant

import (
	"fmt"
	"strings"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

func (c *checker) keysAreKnown() {
	for _, suffix := range c.suffixes() {
		kind := c.keys[suffix].kind
		want := ""
		switch r, _ := roleOf(suffix); r {
		case unknownKey:
			c.report("key %s is none that a queue has", suffix)
			continue
		case queueKey:
			want = queueKeys[suffix]
		case jobKey:
			want = jobKeys[suffix[strings.LastIndexByte(suffix, ':')+1:]]
		case dedupOwner:
			want = "string"
		case jobHash, dedupNext, schedulerHash:
			want = "hash"
		}
		if kind != want {
			c.report("key %s is a %s, not a %s", suffix, kind, want)
		}
	}
}

func (c *checker) jobsHaveOnePlace() {
	where := map[string][]string{}
	for _, place := range places {
		for _, id := range c.ids(place) {
			where[id] = append(where[id], place)
		}
	}
	for id, found := range where {
		if len(found) > 1 {
			c.report("job %s is in %s", id, strings.Join(found, " and "))
		}
		if c.keys[id].kind != "hash" && !c.options.Ghosts {
			c.report("%s holds %s, which is not stored", found[0], id)
		}
	}
	c.jobs(func(id string, _ map[string]string) {
		if len(where[id]) == 0 {
			c.report("job %s is stored but nowhere", id)
		}
	})
}

// workIsMarked: what may start now has the marker "0", what starts later by
// itself has "1" at least.
func (c *checker) workIsMarked() {
	meta := c.keys["meta"].hash
	if _, paused := meta["paused"]; paused || c.options.Popped {
		return
	}
	limit, limited := number(meta["concurrency"])
	if limited && float64(len(c.ids("active"))) >= limit {
		return
	}
	ready := len(c.ids("wait")) + len(c.ids("prioritized"))
	switch {
	case ready > 0 && !c.in("marker", "0") && !c.options.Limited:
		c.report("%d jobs may start and no marker tells", ready)
	case ready == 0 && len(c.ids("delayed")) > 0 && len(c.ids("marker")) == 0:
		c.report("jobs are delayed and no marker tells")
	}
	for _, id := range c.ids("marker") {
		if id != "0" && id != "1" {
			c.report("marker has the member %s", id)
		}
	}
}

func (c *checker) locksAreOfActiveJobs() {
	for _, suffix := range c.suffixes() {
		id, isLock := strings.CutSuffix(suffix, ":lock")
		if !isLock || c.keys[id].kind != "hash" { // of a removed job: runs out by itself
			continue
		}
		if !c.in("active", id) {
			c.report("job %s is locked and not active", id)
		}
		if !c.keys[suffix].expires {
			c.report("the lock of job %s never runs out", id)
		}
	}
	for _, id := range c.ids("active") {
		if c.keys[id+":lock"].kind == "" && !c.options.LostLocks {
			c.report("job %s is active without a lock", id)
		}
	}
}

func (c *checker) stalledAreActive() {
	for _, id := range c.keys["stalled"].set {
		if c.keys[id].kind == "hash" && !c.in("active", id) {
			c.report("job %s is under suspicion and not active", id)
		}
	}
}

func (c *checker) finishedAgree() {
	for _, place := range []string{"completed", "failed"} {
		outcome := map[string]string{"completed": "returnvalue", "failed": "failedReason"}[place]
		for _, member := range c.keys[place].zset {
			id := fmt.Sprint(member.Member)
			fields := c.keys[id].hash
			if fields == nil {
				continue
			}
			if at, ok := number(fields["finishedOn"]); !ok || at != member.Score {
				c.report("job %s is %s at %.0f and its finishedOn is %q", id, place, member.Score, fields["finishedOn"])
			}
			if _, ok := fields[outcome]; !ok {
				c.report("job %s is %s and has no %s", id, place, outcome)
			}
		}
	}
	c.jobs(func(id string, fields map[string]string) {
		if _, ok := fields["finishedOn"]; ok && !c.in("completed", id) && !c.in("failed", id) {
			c.report("job %s has a finishedOn and is not finished", id)
		}
	})
}

// delayedAgree: a job is due no earlier than its delay after it was added. It
// can be later: a retry's delay counts from the retry.
func (c *checker) delayedAgree() {
	for _, member := range c.keys["delayed"].zset {
		id := fmt.Sprint(member.Member)
		fields := c.keys[id].hash
		if fields == nil {
			continue
		}
		due := float64(wire.DueAt(member.Score).UnixMilli())
		added, _ := number(fields["timestamp"])
		delay, _ := number(fields["delay"])
		if due < added+delay {
			c.report("job %s is due at %.0f, before its delay of %.0f from %.0f is over", id, due, delay, added)
		}
	}
}

func (c *checker) prioritizedAgree() {
	for _, member := range c.keys["prioritized"].zset {
		id := fmt.Sprint(member.Member)
		fields := c.keys[id].hash
		if fields == nil {
			continue
		}
		priority, _ := number(fields["priority"])
		if ranked := wire.Priority(member.Score); priority != float64(ranked) || ranked <= 0 {
			c.report("job %s stands at priority %d and its field says %q", id, ranked, fields["priority"])
		}
	}
}

// familiesAgree: a parent waits for children that exist and know it, and waits
// only while there are some.
func (c *checker) familiesAgree() {
	for _, suffix := range c.suffixes() {
		parent, ok := strings.CutSuffix(suffix, ":dependencies")
		if !ok {
			continue
		}
		if c.keys[parent].kind != "hash" {
			c.report("job %s has children and is not stored", parent)
		}
		for _, child := range c.keys[suffix].set {
			c.childAgrees(parent, child)
		}
	}
	for _, id := range c.ids("waiting-children") {
		if c.keys[id+":dependencies"].kind == "" {
			c.report("job %s waits for children and has none", id)
		}
	}
}

func (c *checker) childAgrees(parent, child string) {
	if !c.exists(child) {
		c.report("job %s waits for %s, which is not stored", parent, child)
		return
	}
	suffix, ours := strings.CutPrefix(child, c.base)
	if ours && c.keys[suffix].hash["parentKey"] != c.base+parent {
		c.report("job %s waits for %s, whose parent is %q", parent, child, c.keys[suffix].hash["parentKey"])
	}
}

// ownersExist: a deduplication key without an end names a job that is stored;
// one with an end may outlive its job.
func (c *checker) ownersExist() {
	for _, suffix := range c.suffixes() {
		v := c.keys[suffix]
		switch r, id := roleOf(suffix); {
		case r == dedupOwner && !v.expires && c.keys[v.text].kind != "hash":
			c.report("deduplication key %s names %s, which is not stored", id, v.text)
		case r == dedupNext && c.keys["de:"+id].kind == "":
			c.report("deduplication id %s has a next job and no owner", id)
		}
	}
}

func (c *checker) settingsExist() {
	if len(c.keys) == 0 {
		return
	}
	if _, ok := number(c.keys["meta"].hash["opts.maxLenEvents"]); !ok {
		c.report("meta has no opts.maxLenEvents")
	}
	stored := 0
	c.jobs(func(string, map[string]string) { stored++ })
	if _, ok := number(c.keys["id"].text); !ok && stored > 0 {
		c.report("the counter id is missing")
	}
}
