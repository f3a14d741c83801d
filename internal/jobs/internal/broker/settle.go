package broker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Kind is what became of an attempt.
type Kind string

// The kinds of outcome.
const (
	Completed  Kind = "completed"
	Failed     Kind = "failed"
	Retry      Kind = "retry"       // at once, behind the others
	RetryFirst Kind = "retry_first" // at once, before the others
	Backoff    Kind = "backoff"     // after Delay
	Snooze     Kind = "snooze"      // after Delay, and no attempt is counted
	Release    Kind = "release"     // handed back to the head of its line, no attempt counted
)

// Outcome ends one attempt.
type Outcome struct {
	Kind  Kind
	ID    string
	Token string // the attempt's lock

	Value string // the result in JSON, or the reason of the failure
	Stack string // JSON array of traces; "[]" when there are none
	Delay time.Duration
	Keep  *jobs.Retention // nil keeps the finished job

	MaxAttempts int
	Made        int // attempts made when this one began
	Stalled     int // stalls counted when it began
	Started     int // attempts started, this one included
}

// Fetch says how jobs are taken.
type Fetch struct {
	Token     string        // names the call, and no other; sent again it has the same
	LockFor   time.Duration // how long the jobs are ours unless renewed
	Want      int           // how many at most; 0 takes none
	Worker    string        // stored with the jobs
	Limit     jobs.RateLimit
	MetricAge int // minutes of BullMQ metrics to keep; 0 writes none
	// Heed sets the marker again if work is left. Whoever took the marker must,
	// and everybody now and then: the one who took it may have died.
	Heed bool
}

// Taken is a job that is now ours.
type Taken struct {
	ID      string
	Token   string
	LockEnd time.Time // by our clock, cautiously: counted from before the call
	Started int       // attempts started, this one included

	// Load decodes the record. It costs more than all the rest of the reply, so
	// whoever runs the job does it, not the one who made the call for all. The
	// error is what the record breaks; the job that comes with it must not run.
	Load func() (*jobs.Job, error)
}

// Settled is the answer to one settle call.
type Settled struct {
	Results []error // per outcome; nil is done
	Taken   []Taken
	NextDue time.Time     // when the next delayed job is due; zero without any
	Limited time.Duration // how long a rate limit holds
	Left    bool          // more jobs could be taken at once, as far as was looked; see Heed
	Now     time.Time     // the server's clock; zero unless it was asked, as for NextDue
}

// Settle ends attempts and takes jobs in one call. An outcome that is refused
// says so in its result and does not touch the others.
func (b *Broker) Settle(ctx context.Context, outcomes []Outcome, f Fetch) (Settled, error) {
	if f.Want > 0 && (f.Token == "" || f.LockFor < time.Millisecond) {
		return Settled{}, jobs.Invalid("fetch", "needs a token and a lock of 1 ms at least to take jobs")
	}
	args := make([]any, 0, 8+7*len(outcomes))
	args = append(args, b.now, 0, f.Token, f.LockFor.Milliseconds(), f.Want, f.Worker, f.rules(), flag(f.Heed))
	for i := range outcomes {
		args = outcomes[i].appendTo(args)
	}
	sent := time.Now()
	reply, err := b.send(ctx, call{
		script: "settle", keys: []string{b.keys.Private() + "resent:" + f.Token}, args: args, resent: 1,
	})
	if err != nil {
		return Settled{}, err
	}
	settled, err := b.readSettled(reply, len(outcomes))
	if err != nil {
		return Settled{}, fmt.Errorf("settle: %w", err)
	}
	for i := range settled.Taken {
		settled.Taken[i].Token = f.Token
		settled.Taken[i].LockEnd = sent.Add(f.LockFor)
	}
	return settled, nil
}

// rules is 'max duration points' as settle.lua reads it.
func (f *Fetch) rules() string {
	if f.Limit == (jobs.RateLimit{}) && f.MetricAge == 0 {
		return ""
	}
	return optional(int64(f.Limit.Max)) + " " + optional(f.Limit.Duration.Milliseconds()) + " " + strconv.Itoa(f.MetricAge)
}

func optional(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (o *Outcome) appendTo(args []any) []any {
	stack := o.Stack
	if stack == "" && o.Kind != Completed {
		stack = "[]"
	}
	return append(args, string(o.Kind), o.ID, o.Token, o.Value, o.numbers(), keepText(o.Keep), stack)
}

// numbers is 'atm stc ats delay attempts' as settle.lua reads it.
func (o *Outcome) numbers() string {
	b := make([]byte, 0, 24)
	for i, n := range [...]int64{int64(o.Made), int64(o.Stalled), int64(o.Started), o.Delay.Milliseconds(), int64(o.MaxAttempts)} {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(b)
}

// keepText is 'count age_ms limit' as keep_policy in keep.lua reads it, or ”
// for all.
func keepText(r *jobs.Retention) string {
	if r == nil || *r == (jobs.Retention{}) {
		return ""
	}
	if r.None {
		return "0 0 0"
	}
	count, limit := r.Count, r.Limit
	if count == 0 {
		count = -1
	}
	if limit == 0 {
		limit = 1000
	}
	return fmt.Sprintf("%d %d %d", count, r.Age.Milliseconds(), limit)
}

func (b *Broker) readSettled(reply any, outcomes int) (Settled, error) {
	parts, err := list(reply)
	if err != nil || len(parts) != 6 {
		return Settled{}, fmt.Errorf("unexpected reply of %d parts: %w", len(parts), err)
	}
	answers, err := codes(parts[1])
	if err != nil || len(answers) != outcomes {
		return Settled{}, fmt.Errorf("%d results for %d outcomes: %w", len(answers), outcomes, err)
	}
	var n [6]int64
	for _, i := range []int{0, 3, 4, 5} {
		if n[i], err = number(parts[i]); err != nil {
			return Settled{}, err
		}
	}
	taken, err := b.readTaken(parts[2], n[0])
	if err != nil {
		return Settled{}, err
	}
	settled := Settled{
		Results: make([]error, outcomes),
		Taken:   taken,
		Limited: time.Duration(n[4]) * time.Millisecond,
		Left:    n[5] == 1,
	}
	if n[3] > 0 {
		settled.Now = time.UnixMilli(n[0])
		settled.NextDue = time.UnixMilli(n[3])
	}
	for i, code := range answers {
		settled.Results[i] = code.Err()
	}
	return settled, nil
}

// readTaken reads {id, ats, fields, …}; now is when they began, in ms.
func (b *Broker) readTaken(reply any, now int64) ([]Taken, error) {
	values, err := list(reply)
	if err != nil {
		return nil, err
	}
	began := strconv.FormatInt(now, 10)
	taken := make([]Taken, 0, len(values)/3)
	for i := 0; i+2 < len(values); i += 3 {
		head, err := texts(values[i : i+2])
		if err != nil {
			return nil, err
		}
		fields, err := texts(values[i+2])
		if err != nil {
			return nil, err
		}
		id, started := head[0], head[1]
		taken = append(taken, Taken{ID: id, Started: startedOf(started, fields), Load: func() (*jobs.Job, error) {
			record := hashOf(fields)
			if started != "" {
				record["ats"], record["processedOn"] = started, began
			}
			return b.decoder.DecodeJob(b.keys.Queue(), id, record)
		}})
	}
	return taken, nil
}

// startedOf is ats, which the script has checked. A call that was sent again
// leaves it in the fields, as Redis has it.
func startedOf(ats string, fields []string) int {
	for i := 0; i+1 < len(fields) && ats == ""; i += 2 {
		if fields[i] == "ats" {
			ats = fields[i+1]
		}
	}
	n, err := strconv.ParseFloat(ats, 64)
	if err != nil {
		return 0 // a lock without a number of attempts is renewed by its token alone
	}
	return int(n)
}
