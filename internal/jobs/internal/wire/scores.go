package wire

import "time"

// DelayedSlots is how many delayed jobs can be due in one millisecond and keep
// their order: the score of a delayed job is its due millisecond times this,
// plus a counter.
const DelayedSlots = 4096

// DueAt is when a delayed job with this score is due.
func DueAt(score float64) time.Time { return time.UnixMilli(int64(score / DelayedSlots)) }

// PrioritySpan separates the scores of neighbouring priorities: the score of a
// prioritized job is its priority times this, plus a counter.
const PrioritySpan = 1 << 32

// Priority is the priority of a prioritized job with this score.
func Priority(score float64) int { return int(score / PrioritySpan) }
