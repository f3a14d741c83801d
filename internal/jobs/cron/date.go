package cron

import "time"

const (
	hour = 60 * 60
	day  = 24 * hour
)

// date is a day of the calendar, without a zone.
type date struct {
	month, day int
	weekday    int // 0 is Sunday
	length     int // days in its month
}

// dateOf returns the day that is n days after the first of January 1970.
func dateOf(n int64) date {
	t := time.Unix(n*day, 0).UTC()
	y, m, d := t.Date()
	return date{
		month:   int(m),
		day:     d,
		weekday: int(t.Weekday()),
		length:  time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day(),
	}
}

// floorDiv rounds down, where Go's division rounds to zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
