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
	args := make([]any, 0, 10+9*len(outcomes))
	args = append(args, b.now, 0, f.Token, f.LockFor.Milliseconds(), f.Want, f.Worker,
		optional(int64(f.Limit.Max)), optional(f.Limit.Duration.Milliseconds()), f.MetricAge, flag(f.Heed))
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
	if stack == "" {
		stack = "[]"
	}
	seen := strconv.Itoa(o.Made) + " " + strconv.Itoa(o.Stalled) + " " + strconv.Itoa(o.Started)
	return append(args, string(o.Kind), o.ID, o.Token, o.Value, stack,
		o.Delay.Milliseconds(), keepText(o.Keep), o.MaxAttempts, seen)
}

// keepText is 'count age_ms limit' as keep_policy in finish.lua reads it.
func keepText(r *jobs.Retention) string {
	if r == nil || *r == (jobs.Retention{}) {
		return "-1 0 0"
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
	taken, err := b.readTaken(parts[2])
	if err != nil {
		return Settled{}, err
	}
	var n [6]int64
	for _, i := range []int{0, 3, 4, 5} {
		if n[i], err = number(parts[i]); err != nil {
			return Settled{}, err
		}
	}
	settled := Settled{
		Results: make([]error, outcomes),
		Taken:   taken,
		Limited: time.Duration(n[4]) * time.Millisecond,
		Left:    n[5] == 1,
	}
	if n[0] > 0 {
		settled.Now = time.UnixMilli(n[0])
	}
	if n[3] > 0 {
		settled.NextDue = time.UnixMilli(n[3])
	}
	for i, code := range answers {
		settled.Results[i] = code.Err()
	}
	return settled, nil
}

func (b *Broker) readTaken(reply any) ([]Taken, error) {
	values, err := list(reply)
	if err != nil {
		return nil, err
	}
	taken := make([]Taken, 0, len(values)/2)
	for i := 0; i+1 < len(values); i += 2 {
		id, ok := values[i].(string)
		if !ok {
			return nil, fmt.Errorf("job id is a %T", values[i])
		}
		fields, err := texts(values[i+1])
		if err != nil {
			return nil, err
		}
		taken = append(taken, Taken{ID: id, Started: startedOf(fields), Load: func() (*jobs.Job, error) {
			return b.decoder.DecodeJob(b.keys.Queue(), id, hashOf(fields))
		}})
	}
	return taken, nil
}

// startedOf reads ats, which the script has checked and put last, unless the
// call was sent again: then it stands where Redis has it.
func startedOf(fields []string) int {
	for i := len(fields) - 2; i >= 0; i -= 2 {
		if fields[i] == "ats" {
			n, err := strconv.ParseFloat(fields[i+1], 64)
			if err != nil {
				return 0 // a lock without a number of attempts is renewed by its token alone
			}
			return int(n)
		}
	}
	return 0
}
