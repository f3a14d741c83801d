package jobs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Priority orders waiting jobs: a lower number runs earlier.
type Priority int

// Named priorities. The zero value leaves the choice to the queue, which takes
// Normal unless it was told otherwise.
//
// Unprioritized jobs, stored with priority 0, wait in a list that is served
// before every priority, Critical included: that is BullMQ's rule, and what a
// Node producer adds when it names no priority.
const (
	Critical      Priority = 1
	High          Priority = 10
	Normal        Priority = 100
	Low           Priority = 1000
	Unprioritized Priority = -1

	// MaxPriority keeps the stored score below 2^53.
	MaxPriority Priority = 2097151
)

var priorityNames = []struct {
	name     string
	priority Priority
}{{"critical", Critical}, {"high", High}, {"normal", Normal}, {"low", Low}}

// ParsePriority reads a name (critical, high, normal, low) or a whole number
// from 1 to MaxPriority.
func ParsePriority(text string) (Priority, error) {
	for _, p := range priorityNames {
		if text == p.name {
			return p.priority, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || Priority(n) > MaxPriority {
		return 0, Invalid("priority", "must be critical, high, normal, low or a whole number from 1 to %d", MaxPriority)
	}
	return Priority(n), nil
}

// String is the priority's name, or its number when it has none.
func (p Priority) String() string {
	for _, known := range priorityNames {
		if p == known.priority {
			return known.name
		}
	}
	return strconv.Itoa(int(p))
}

// UnmarshalJSON accepts what ParsePriority does, as a string or a number.
func (p *Priority) UnmarshalJSON(text []byte) error {
	parsed, err := ParsePriority(strings.Trim(string(text), `"`))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Retention says which finished jobs are kept. The zero value keeps all.
type Retention struct {
	// None removes a job as soon as it is finished; Count and Age are ignored.
	None bool
	// Count keeps the newest so many; 0 sets no limit.
	Count int
	// Age keeps what finished within it, by whole seconds; 0 sets no limit.
	Age time.Duration
	// Limit bounds how many are removed by age in one go; 0 is 1,000.
	Limit int
}

// Options are what a producer says of one job. The zero value is a job that
// runs as soon as possible, once.
type Options struct {
	// ID is the caller's own id: adding a second job under it does nothing and
	// returns the id. Empty makes a new one. See ValidateID.
	ID string

	Priority Priority

	// Delay puts the job off from the moment it is added, by whole
	// milliseconds; RunAt until a moment. At most one of them.
	Delay time.Duration
	RunAt time.Time

	// Attempts is how often the job may be tried in all; 0 is once.
	Attempts int
	// Backoff is the delay between attempts; the zero value is none.
	Backoff Backoff

	// Timeout bounds one attempt; 0 leaves it to the worker.
	Timeout time.Duration
	// ExpiresAt fails the job, without running it, when it is taken later. A
	// moment that has passed is accepted, so that an add can be repeated.
	ExpiresAt time.Time

	// LIFO puts the job at the head of the line. Only unprioritized jobs stand
	// in a line, so LIFO implies Unprioritized unless a priority is given.
	LIFO bool

	// KeepCompleted and KeepFailed override what the worker keeps; nil does not.
	KeepCompleted *Retention
	KeepFailed    *Retention

	// KeepLogs is how many log lines to keep; 0 keeps all.
	KeepLogs int
	// StackTraceLimit is how many attempts' traces to keep; 0 keeps all, within
	// MaxStacktrace bytes.
	StackTraceLimit int
	// SizeLimit bounds the encoded payload in bytes; 0 is MaxData.
	SizeLimit int

	// Trace is the producer's trace context, as an OpenTelemetry carrier in JSON.
	Trace string

	// Foreign holds stored options that this package does not read, by their
	// stored names. Nothing is lost when a job of another client is shown.
	Foreign map[string]json.RawMessage
}

// Limits on what is stored with a job, in bytes. A payload, a result or a trace
// beyond them belongs in storage, with a reference here.
const (
	MaxData       = 64 << 10
	MaxReturn     = 16 << 10
	MaxProgress   = 16 << 10
	MaxStacktrace = 8 << 10
	MaxName       = 256
	MaxID         = 256
	MaxLogLine    = 8 << 10
)

// Far limits that keep due times inside the 53 bits a score has (BullMQ packs
// milliseconds and a 12-bit counter into it, which ends in September 2039).
const maxDelay = 10 * 365 * 24 * time.Hour

// Validate reports the first thing that is wrong with the options.
func (o *Options) Validate() error {
	if o.ID != "" {
		if err := ValidateID(o.ID); err != nil {
			return err
		}
	}
	switch {
	case o.Priority != Unprioritized && (o.Priority < 0 || o.Priority > MaxPriority):
		return Invalid("priority", "must be from 1 to %d", MaxPriority)
	case o.LIFO && o.Priority > 0:
		return Invalid("lifo", "has no meaning with a priority")
	case o.Delay < 0:
		return Invalid("delay", "must not be negative")
	case o.Delay > maxDelay:
		return Invalid("delay", "must be at most ten years")
	case o.Delay > 0 && !o.RunAt.IsZero():
		return Invalid("runAt", "cannot be combined with delay")
	case !o.RunAt.IsZero() && time.Until(o.RunAt) > maxDelay:
		return Invalid("runAt", "must be within ten years")
	case o.Attempts < 0 || o.Attempts > 1_000_000:
		return Invalid("maxAttempts", "must be from 1 to 1000000")
	case o.Timeout < 0:
		return Invalid("timeout", "must not be negative")
	case o.KeepLogs < 0:
		return Invalid("keepLogs", "must not be negative")
	case o.StackTraceLimit < 0:
		return Invalid("stackTraceLimit", "must not be negative")
	case o.SizeLimit < 0:
		return Invalid("sizeLimit", "must not be negative")
	}
	if err := o.validateExpiry(time.Now()); err != nil {
		return err
	}
	if err := o.KeepCompleted.validate("keepCompleted"); err != nil {
		return err
	}
	if err := o.KeepFailed.validate("keepFailed"); err != nil {
		return err
	}
	return o.Backoff.Validate()
}

func (o *Options) validateExpiry(now time.Time) error {
	due := now.Add(o.Delay)
	if !o.RunAt.IsZero() {
		due = o.RunAt
	}
	switch {
	case o.ExpiresAt.IsZero():
		return nil
	case o.ExpiresAt.UnixMilli() <= 0:
		return Invalid("expiresAt", "must be after 1970")
	case o.ExpiresAt.Sub(now) > 2*maxDelay:
		return Invalid("expiresAt", "must be within twenty years")
	case due.After(now) && !o.ExpiresAt.After(due):
		return Invalid("expiresAt", "must be after the time at which the job is due")
	}
	return nil
}

// validate accepts nil, which says nothing.
func (r *Retention) validate(field string) error {
	switch {
	case r == nil:
		return nil
	case r.Count < 0 || r.Limit < 0:
		return Invalid(field, "must not have a negative number")
	case r.Age < 0 || r.Age > 0 && r.Age < time.Second:
		return Invalid(field, "must have an age of at least a second, or none")
	}
	return nil
}

// Validate reports the first thing that is wrong with the backoff. A type that
// is not shipped is fine here: the worker that runs the job has to know it.
func (b Backoff) Validate() error {
	switch {
	case b == Backoff{}:
		return nil
	case b.Type == "":
		return Invalid("backoff.type", "must be fixed, linear or exponential")
	case b.Delay < 0 || b.Delay > maxBackoff:
		return Invalid("backoff.delay", "must be from 0 to one year")
	case b.MaxDelay < 0:
		return Invalid("backoff.maxDelay", "must not be negative")
	case b.Jitter < 0 || b.Jitter > 1 || b.Jitter != b.Jitter:
		return Invalid("backoff.jitter", "must be from 0 to 1")
	}
	return nil
}

// reservedIDs are the last segments of a queue's own keys: a job under one of
// these names would share its key with the queue.
var reservedIDs = map[string]bool{
	"wait": true, "paused": true, "active": true, "prioritized": true, "pc": true,
	"delayed": true, "waiting-children": true, "completed": true, "failed": true,
	"marker": true, "stalled": true, "stalled-check": true, "limiter": true,
	"events": true, "repeat": true, "meta": true, "id": true, "delay": true,
	"priority": true, "de": true, "dn": true, "metrics": true,
}

// ValidateID checks an id chosen by a caller. BullMQ forbids whole numbers,
// which it makes itself, and a colon, which separates the parts of a key,
// except in the three-part ids that its schedulers use.
func ValidateID(id string) error {
	if id == "" {
		return Invalid("jobId", "must not be empty")
	}
	if len(id) > MaxID {
		return Invalid("jobId", "must be at most %d bytes", MaxID)
	}
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && strconv.FormatInt(n, 10) == id {
		return Invalid("jobId", "must not be a whole number")
	}
	if n := strings.Count(id, ":"); n != 0 && n != 2 {
		return Invalid("jobId", "must not contain a colon")
	}
	first, _, _ := strings.Cut(id, ":")
	if reservedIDs[first] || first == "0" {
		return Invalid("jobId", "%q is a name that the queue uses itself", first)
	}
	return validateText("jobId", id)
}

// CanBeID reports whether a stored job can have this id at all, whoever added
// it. What cannot is a name, or the beginning of a name, of the queue's own keys:
// nobody should look for a job there, let alone remove it.
func CanBeID(id string) bool {
	if run, ok := strings.CutPrefix(id, "repeat:"); ok {
		return isRun(run)
	}
	first, _, _ := strings.Cut(id, ":")
	switch strings.Count(id, ":") {
	case 0, 2:
		return id != "" && !reservedIDs[first]
	}
	return false // a key below that of a job
}

// isRun reports the rest of a scheduler's job, which is repeat:<scheduler>:<ms>.
// Schedulers may have colons in their names, and without the ms it is the key of
// one.
func isRun(rest string) bool {
	at := strings.LastIndexByte(rest, ':')
	if at <= 0 || at == len(rest)-1 {
		return false
	}
	return strings.Trim(rest[at+1:], "0123456789") == ""
}

// ValidateName checks the name of a job: any text without control characters.
func ValidateName(name string) error {
	if name == "" {
		return Invalid("name", "must not be empty")
	}
	if len(name) > MaxName {
		return Invalid("name", "must be at most %d bytes", MaxName)
	}
	return validateText("name", name)
}

// ValidateQueue checks the name of a queue. It becomes part of every key, so a
// colon is out; braces are how a Redis Cluster hash tag is written, and stay.
func ValidateQueue(name string) error {
	if name == "" {
		return Invalid("queue", "must not be empty")
	}
	if len(name) > MaxName {
		return Invalid("queue", "must be at most %d bytes", MaxName)
	}
	if strings.Contains(name, ":") {
		return Invalid("queue", "must not contain a colon")
	}
	return validateText("queue", name)
}

func validateText(field, text string) error {
	for i, r := range text {
		if r < ' ' || r == 0x7f {
			return Invalid(field, "has a control character at byte %d", i)
		}
		if r == '�' {
			return Invalid(field, "is not valid UTF-8 at byte %d", i)
		}
	}
	return nil
}

// CheckSize returns ErrTooLarge, with the sizes, when n bytes exceed limit.
func CheckSize(what string, n, limit int) error {
	if n <= limit {
		return nil
	}
	return fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrTooLarge, what, n, limit)
}

// RateLimit is how many jobs may start in a span of time. The zero value is no
// limit.
type RateLimit struct {
	Max      int
	Duration time.Duration
}
