package report

import "time"

// Range is a half-open span of time, [Start, End), whose days are those of the
// zone that both times carry.
type Range struct{ Start, End time.Time }

// Period is how long one column of a chart, or one row of a table, lasts.
type Period string

// The periods. A week begins on Monday.
const (
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
)

// Valid reports whether p is one of the periods.
func (p Period) Valid() bool { return p == Day || p == Week || p == Month }

// Bucket is the part of one period that lies inside a range.
type Bucket struct {
	Start, End time.Time
	// Label is the first day of the whole period at midnight UTC: a date, not
	// an instant. It lies before Start when the range begins inside the period.
	Label time.Time
}

// Buckets cuts the range at the beginnings of periods. The buckets touch, cover
// the range exactly, and none is empty: a day that the zone skipped is not there.
func (r Range) Buckets(p Period) []Bucket {
	var buckets []Bucket
	day := dateOf(r.Start).beginning(p)
	for start := r.Start; start.Before(r.End); {
		next := day.next(p)
		end := next.start(r.Start.Location())
		if end.After(r.End) {
			end = r.End
		}
		if end.After(start) {
			buckets = append(buckets, Bucket{Start: start, End: end, Label: day.utc()})
			start = end
		}
		day = next
	}
	return buckets
}

// Previous is the range of the same length that ends where r begins: as many
// days when r consists of whole days, else as much time.
func (r Range) Previous() Range {
	if !r.WholeDays() {
		return Range{Start: r.Start.Add(r.Start.Sub(r.End)), End: r.Start}
	}
	start := dateOf(r.Start)
	days := daysBetween(start, dateOf(r.End))
	return Range{Start: start.plus(-days).start(r.Start.Location()), End: r.Start}
}

// WholeDays reports whether the range begins and ends at the beginning of a day.
func (r Range) WholeDays() bool {
	loc := r.Start.Location()
	return r.Start.Equal(dateOf(r.Start).start(loc)) && r.End.Equal(dateOf(r.End).start(loc))
}

// LastDay is the last day of the range, at midnight UTC: a date, not an instant.
func (r Range) LastDay() time.Time { return dateOf(r.End.Add(-1)).utc() }

// Days is how many calendar days the range touches.
func (r Range) Days() int {
	return daysBetween(dateOf(r.Start), dateOf(r.End.Add(-1))) + 1
}

// date is a day of the calendar, without a zone.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

func (d date) utc() time.Time { return time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC) }

func (d date) plus(days int) date { return dateOf(d.utc().AddDate(0, 0, days)) }

func daysBetween(a, b date) int { return int(b.utc().Sub(a.utc()) / (24 * time.Hour)) }

// beginning is the first day of the period that d lies in.
func (d date) beginning(p Period) date {
	switch p {
	case Week:
		return d.plus(-(int(d.utc().Weekday()) + 6) % 7)
	case Month:
		return date{d.year, d.month, 1}
	default:
		return d
	}
}

func (d date) next(p Period) date {
	switch p {
	case Week:
		return d.plus(7)
	case Month:
		return dateOf(d.utc().AddDate(0, 1, 0))
	default:
		return d.plus(1)
	}
}

// start is the first instant of the day d in loc. That is not always midnight:
// where clocks go forward at midnight the day begins at one o'clock, and where
// they go back over midnight it begins at the first of two midnights. A day
// that a zone skipped altogether begins, and ends, with the day after it.
func (d date) start(loc *time.Location) time.Time {
	t := time.Date(d.year, d.month, d.day, 0, 0, 0, 0, loc)
	if d.utc().After(dateOf(t).utc()) { // midnight was skipped, and Date went back
		_, t = t.ZoneBounds()
	}
	zoneStart, _ := t.ZoneBounds()
	if zoneStart.IsZero() {
		return t
	}
	if before := zoneStart.Add(-1); !d.utc().After(dateOf(before).utc()) {
		return midnightAtOffsetOf(before, d) // the day had begun before the clocks changed
	}
	if dateOf(zoneStart) == d && zoneStart.Before(t) {
		return zoneStart
	}
	return t
}

func midnightAtOffsetOf(t time.Time, d date) time.Time {
	_, offset := t.Zone()
	return d.utc().Add(-time.Duration(offset) * time.Second).In(t.Location())
}
