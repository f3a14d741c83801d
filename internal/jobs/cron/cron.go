// Package cron reads a cron line and says when it is due next, exactly as
// BullMQ does, so that a Go and a Node worker advance one job scheduler to the
// same millisecond. The reference is npm cron-parser 5.10.3, called the way
// BullMQ 6.7 calls it: parsed afresh for each step, from the time of the last.
//
// # The line
//
//	┌───────────── second        0-59   only in a line of six fields, else 0
//	│ ┌─────────── minute        0-59
//	│ │ ┌───────── hour          0-23
//	│ │ │ ┌─────── day of month  1-31   L: the last day
//	│ │ │ │ ┌───── month         1-12   or jan-dec
//	│ │ │ │ │ ┌─── weekday       0-7    or sun-sat; 0 and 7 are Sunday
//	│ │ │ │ │ │                         5L: the last Friday; 1#2: the second Monday
//	0 0 9 * * 1-5
//
// A field is a list of items, none of which may repeat a value: n, a-b, a-b/s,
// a/s (from a to the end), * and */s; ? is another *. If day of month and
// weekday both are something else than a bare * or ?, a day needs to fit one of
// them only. In place of a line: @yearly @annually @monthly @weekly @daily
// @hourly @minutely @secondly @weekdays @weekends.
//
// # When the clocks change
//
// A zone is a sequence of spans in which its offset from UTC is constant.
// Inside a span the wall clock runs straight, and finding the next match is
// arithmetic; the rules are all about where two spans meet.
//
//	spring  01:59│03:00   an hour that was skipped fires in the hour after the
//	                      gap, with its own minutes: 30 2 * * * fires at 03:30
//	autumn  02:59│02:00   an hour that is repeated fires the first time only,
//	                      unless every hour of the day is scheduled
//
// Both hold for a search that comes from before the change. One that starts in
// the hour after the gap, or in the second pass of the repeated hour, takes that
// hour for an ordinary one: it knows nothing but the time it starts from.
//
// Where midnight itself is skipped (Cairo, Santiago, São Paulo before 2019)
// hour 0 fires after the gap only if hour 23 of the day before is scheduled too.
// That is an oddity of 5.10.3, gone in 5.10.6, and kept here for as long as
// BullMQ has it; see [Schedule.Next] for where we do differ.
//
// # Why our own
//
// netresearch/go-cron v0.9.1, set to be as close as it can, refuses 265 of the
// 1919 good lines in testdata, gives other times for 106, and takes 144 of the
// 361 bad ones. A wrapper would have to hold most of what is here.
//
// # Zones
//
// Nothing here reads a clock or a zone database. The location is the caller's:
// binaries import time/tzdata, so that they have zones on a machine without any.
package cron

import (
	"fmt"
	"time"
)

// Schedule is a parsed cron line in a time zone. It is an immutable value, safe
// for use by many goroutines. The zero Schedule is never due.
type Schedule struct {
	pattern string
	loc     *time.Location
	clock   clock
	days    days
}

// String returns the line as it was given to Parse.
func (s Schedule) String() string { return s.pattern }

// maxPattern is the longest line that is read, in bytes. Every value of every
// field, written out, takes half of it.
const maxPattern = 1024

// Parse reads a cron line that is meant in the time zone loc; nil is UTC.
//
// Every error is ErrInvalid, and an *Error that names the field. H is also
// ErrHash, and a day that none of the line's months has is also ErrImpossible.
//
// Some lines which cron-parser takes are refused, because what it does with them
// is not what they say: fewer than five fields (it puts stars in front), a * or
// an L inside of an item (1* is 10-59 there), a-b-c (c is ignored), a month's
// name for a weekday, names without a separator, and L together with #.
func Parse(pattern string, loc *time.Location) (Schedule, error) {
	raw, err := split(pattern)
	if err != nil {
		return Schedule{}, err
	}
	s := Schedule{pattern: pattern, loc: loc}
	if loc == nil {
		s.loc = time.UTC
	}
	if s.clock, err = parseClock(raw); err != nil {
		return Schedule{}, err
	}
	if s.days, err = parseDays(raw); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// line is the text of the six fields, in the order of the specs.
type line [6]string

// split takes the line apart, and fills in the second.
func split(pattern string) (line, error) {
	if len(pattern) > maxPattern {
		return line{}, &Error{Reason: fmt.Sprintf("is longer than %d bytes", maxPattern)}
	}
	if full, ok := predefined(pattern); ok {
		pattern = full
	}
	fields := fieldsOf(pattern)
	switch len(fields) {
	case 5:
		return line(append([]string{"0"}, fields...)), nil
	case 6:
		return line(fields), nil
	}
	if len(fields) == 1 && fields[0][0] == '@' {
		return line{}, &Error{Value: fields[0], Reason: "is not a name of a schedule"}
	}
	return line{}, &Error{Value: pattern, Reason: fmt.Sprintf("has %d fields, 5 or 6 are needed", len(fields))}
}

// predefined returns the line that an @ name stands for. Names are lower case.
func predefined(name string) (string, bool) {
	switch name {
	case "@yearly", "@annually":
		return "0 0 0 1 1 *", true
	case "@monthly":
		return "0 0 0 1 * *", true
	case "@weekly":
		return "0 0 0 * * 0", true
	case "@daily":
		return "0 0 0 * * *", true
	case "@hourly":
		return "0 0 * * * *", true
	case "@minutely":
		return "0 * * * * *", true
	case "@secondly":
		return "* * * * * *", true
	case "@weekdays":
		return "0 0 0 * * 1-5", true
	case "@weekends":
		return "0 0 0 * * 0,6", true
	}
	return "", false
}
