package cron

import (
	"math"
	"time"
)

// span is a stretch of time in which a zone keeps one offset from UTC. Times are
// Unix seconds, offsets are seconds east of UTC.
type span struct {
	start, end int64 // end is the first second of the next span
	offset     int64
	before     int64 // the offset in the span before; offset if there is none
}

// spanAt returns the span that holds a time. It may begin or end at a point where
// nothing changes, as ZoneBounds cuts years that a zone has only a rule for.
//
// In such years ZoneBounds takes each for 365 days, and lets the last day of a
// leap year (in UTC) end before it began. Nothing changes on that day, so there
// the end is the next midnight.
func spanAt(at int64, loc *time.Location) span {
	t := time.Unix(at, 0).In(loc)
	start, end := t.ZoneBounds()
	sp := span{start: math.MinInt64, end: math.MaxInt64, offset: offsetOf(t)}
	sp.before = sp.offset
	if !start.IsZero() {
		sp.start = start.Unix()
		sp.before = offsetOf(start.Add(-time.Second))
	}
	if !end.IsZero() {
		sp.end = end.Unix()
	}
	if sp.end <= at {
		sp.end = (floorDiv(at, day) + 1) * day
	}
	return sp
}

func offsetOf(t time.Time) int64 {
	_, offset := t.Zone()
	return int64(offset)
}

// repeated is how many seconds at the beginning of the span the wall clock shows
// for the second time.
func (sp span) repeated() int64 { return max(0, sp.before-sp.offset) }

// gap returns what the wall clock shows last before the span, and first in it,
// in seconds since 1970.
func (sp span) gap() (last, first int64) {
	return sp.start - 1 + sp.before, sp.start + sp.offset
}
