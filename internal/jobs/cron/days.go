package cron

import (
	"strings"
	"time"
)

// days is the rule that picks the days of a year.
type days struct {
	month      set
	dates      set // days of the month
	lastDate   bool
	anyDate    bool
	weekdays   set // 0 is Sunday
	lastOf     set // weekdays that count on their last occurrence in a month only
	nth        int // 1 to 5: weekdays count on this occurrence only; 0: on each
	anyWeekday bool
}

func parseDays(raw line) (d days, err error) {
	if err = d.parseDates(raw[3]); err != nil {
		return days{}, err
	}
	if d.month, err = monthSpec.values(raw[4]); err != nil {
		return days{}, err
	}
	if err = d.parseWeekdays(raw[5]); err != nil {
		return days{}, err
	}
	if d.impossible() {
		return days{}, &Error{Field: daySpec.name, Value: raw[3], Reason: "never comes: " + ErrImpossible.Error(), kind: ErrImpossible}
	}
	return d, nil
}

func (d *days) parseDates(text string) error {
	dates, last, err := daySpec.list(text, func(item string) (int, bool) { return 0, item == "L" })
	d.dates, d.lastDate, d.anyDate = dates, last != 0, isAny(text)
	return err
}

func (d *days) parseWeekdays(text string) (err error) {
	list, nth, numbered := strings.Cut(text, "#")
	if numbered {
		if d.nth, err = parseNth(text, list, nth); err != nil {
			return err
		}
	}
	d.weekdays, d.lastOf, err = weekdaySpec.list(list, lastWeekday)
	d.anyWeekday = isAny(text)
	return err
}

// lastWeekday reads 5L and friL.
func lastWeekday(item string) (int, bool) {
	day, ok := strings.CutSuffix(item, "L")
	if !ok {
		return 0, false
	}
	n, ok := weekdaySpec.value(day)
	return n, ok && n <= weekdaySpec.max
}

// parseNth reads the number in day#nth, which day has to be alone with.
func parseNth(text, day, nth string) (int, error) {
	if strings.ContainsAny(day, ",-/L") {
		return 0, weekdaySpec.errorf(text, "has # together with a list, a range, a step or L")
	}
	n, ok := number(nth)
	if !ok || n < 1 || n > 5 {
		return 0, weekdaySpec.errorf(text, "needs an occurrence of 1 to 5 after #")
	}
	return n, nil
}

// longest is the number of days that a month can have.
func longest(month int) int {
	return time.Date(2024, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// impossible reports whether no month of the rule has any of its days.
func (d *days) impossible() bool {
	if d.lastDate || !d.anyWeekday {
		return false
	}
	for m, ok := d.month.from(1); ok; m, ok = d.month.from(m + 1) {
		if d.dates.min() <= longest(m) {
			return false
		}
	}
	return true
}

// match reports whether the rule picks a day: one that fits both fields or, if
// both restrict the day, either.
func (d *days) match(c date) bool {
	switch {
	case !d.month.has(c.month):
		return false
	case d.anyWeekday:
		return d.matchDate(c)
	case d.anyDate:
		return d.matchWeekday(c)
	}
	return d.matchDate(c) || d.matchWeekday(c)
}

func (d *days) matchDate(c date) bool {
	return d.dates.has(c.day) || d.lastDate && c.day == c.length
}

func (d *days) matchWeekday(c date) bool {
	if d.lastOf.has(c.weekday) && c.day > c.length-7 {
		return true
	}
	return d.weekdays.has(c.weekday) && (d.nth == 0 || (c.day+6)/7 == d.nth)
}
