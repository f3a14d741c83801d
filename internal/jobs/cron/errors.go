package cron

import (
	"errors"
	"fmt"
)

// What Parse returns wraps these; compare with errors.Is.
var (
	// ErrInvalid is every error of Parse.
	ErrInvalid = errors.New("invalid cron pattern")
	// ErrHash: the line has an H. cron-parser replaces it by a value that each
	// Node process draws anew each time it parses (BullMQ stores no seed), so
	// there is nothing to be equal to.
	ErrHash = errors.New("an H is a different time in every process; write the value that you want")
	// ErrImpossible: the months of the line do not have its days, as in 30
	// February, and there is no weekday to fire on instead.
	ErrImpossible = errors.New("none of the months has such a day")
)

// Error says which field of a line is wrong, and how.
type Error struct {
	Field  string // "second", "minute", "hour", "day of month", "month" or "weekday"; empty: the line as a whole
	Value  string // the offending text
	Reason string
	kind   error // ErrHash, ErrImpossible or nil
}

// maxQuoted bounds what a message repeats of its input, in bytes.
const maxQuoted = 64

func (e *Error) Error() string {
	where := e.Field
	if where == "" {
		where = "the line"
	}
	if e.Value == "" {
		return fmt.Sprintf("%v: %s %s", ErrInvalid, where, e.Reason)
	}
	return fmt.Sprintf("%v: %s: %.*q %s", ErrInvalid, where, maxQuoted, e.Value, e.Reason)
}

// Is makes every Error an ErrInvalid, and of its kind.
func (e *Error) Is(target error) bool {
	return target == ErrInvalid || e.kind != nil && target == e.kind
}
