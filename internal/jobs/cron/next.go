package cron

import "time"

// horizon is how far Next looks: more than the 40 years that may lie between two
// Sundays on a 29 February.
const horizon = 100 * 366 * day

// Next returns the first due time strictly after the given one, in the zone of
// the schedule and on a full second. It reports false if there is none in the
// next hundred years, or if after is not in the years 1 to 9999. It looks at
// each day once at most, so it takes a millisecond or so at worst.
//
// The result is cron-parser's, but not around clock changes for which that does
// not keep its own rules. Where clocks change by something else than one hour,
// or not on the hour (Lord Howe, Troll, Chatham), it gives up, goes back in time
// or fires twice; where the first hour of a day is repeated (Havana, the Azores),
// it mostly fires the second time. Here a repeated stretch fires the first time
// only, as everywhere, and a part of an hour that is skipped does not fire.
func (s Schedule) Next(after time.Time) (time.Time, bool) {
	if y := after.UTC().Year(); s.loc == nil || y < 1 || y > 9999 {
		return time.Time{}, false
	}
	at := after.Unix() + 1
	for limit := at + horizon; at < limit; {
		sp := spanAt(at, s.loc)
		if wall, ok := s.inSpan(sp, at, limit); ok {
			return time.Unix(wall-sp.offset, 0).In(s.loc), true
		}
		at = sp.end
	}
	return time.Time{}, false
}

// inSpan returns the first match of a span that is not before at and is before
// limit, as the seconds since 1970 that the wall clock shows.
func (s Schedule) inSpan(sp span, at, limit int64) (wall int64, ok bool) {
	lo, hi := at+sp.offset, min(sp.end, limit)+sp.offset
	if at > sp.start {
		return s.search(lo, hi)
	}
	if s.fillsIn(sp) {
		if wall, ok := s.landing(lo, hi); ok {
			return wall, true
		}
	}
	if s.clock.hour != allHours {
		lo += sp.repeated()
	}
	return s.search(lo, hi)
}

// fillsIn reports whether the hour after a gap stands in for a scheduled hour
// that was skipped. A gap around midnight counts only for a search that comes
// through the hour before it, because that hour is scheduled.
func (s Schedule) fillsIn(sp span) bool {
	last, first := sp.gap()
	if !s.skipped(floorDiv(last, hour), floorDiv(first, hour)) {
		return false
	}
	lastDay := floorDiv(last, day)
	if lastDay == floorDiv(first, day) {
		return true
	}
	return s.clock.hour.has(hourOfDay(last)) && s.days.match(dateOf(lastDay))
}

// skipped reports whether an hour between the two is scheduled. Zones that left
// out a whole day to change sides of the date line have skipped no hour.
func (s Schedule) skipped(last, first int64) bool {
	for h := last + 1; h < last+(first-last)%24; h++ {
		if s.clock.hour.has(hourOfDay(h * hour)) {
			return true
		}
	}
	return false
}

func hourOfDay(wall int64) int { return int(floorDiv(wall, hour) - 24*floorDiv(wall, day)) }

// landing searches the hour that begins at lo, scheduled or not.
func (s Schedule) landing(lo, hi int64) (int64, bool) {
	s.clock.hour = 1 << hourOfDay(lo)
	return s.search(lo, min(hi, (floorDiv(lo, hour)+1)*hour))
}

// search returns the first match in [lo, hi) of a wall clock that runs straight.
func (s Schedule) search(lo, hi int64) (int64, bool) {
	for n := floorDiv(lo, day); n*day < hi; n++ {
		if !s.days.match(dateOf(n)) {
			continue
		}
		if tod, ok := s.clock.from(max(0, lo-n*day)); ok {
			return n*day + tod, n*day+tod < hi
		}
	}
	return 0, false
}
