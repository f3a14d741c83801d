package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
)

func TestJudge(t *testing.T) {
	boom := errors.New("boom")
	exponential := jobs.Backoff{Type: jobs.Exponential, Delay: time.Second}
	tests := []struct {
		name     string
		attempts int
		made     int
		backoff  jobs.Backoff
		lifo     bool
		err      error
		cause    error
		want     verdict
	}{
		{name: "no error", attempts: 3, want: verdict{kind: broker.Completed}},
		{name: "no error on the last attempt", attempts: 1, want: verdict{kind: broker.Completed}},
		{name: "no error after the lock was lost", cause: jobs.ErrLockLost, want: verdict{}},
		{name: "an error after the lock was lost", err: boom, cause: fmt.Errorf("%w: taken", jobs.ErrLockLost), want: verdict{}},
		{name: "no error after the shutdown", cause: jobs.ErrShutdown, want: verdict{kind: broker.Completed}},
		{name: "an error after the shutdown", attempts: 1, err: context.Canceled, cause: jobs.ErrShutdown, want: verdict{kind: broker.Release}},
		{name: "no attempts asked for is one", err: boom, want: verdict{kind: broker.Failed, reason: "boom"}},
		{name: "attempts left", attempts: 2, err: boom, want: verdict{kind: broker.Retry, reason: "boom"}},
		{name: "attempts left, first in line", attempts: 2, lifo: true, err: boom, want: verdict{kind: broker.RetryFirst, reason: "boom"}},
		{name: "the last of several", attempts: 3, made: 2, err: boom, want: verdict{kind: broker.Failed, reason: "boom"}},
		{name: "more made than asked for", attempts: 3, made: 7, err: boom, want: verdict{kind: broker.Failed, reason: "boom"}},
		{name: "first backoff", attempts: 9, backoff: exponential, err: boom, want: verdict{kind: broker.Backoff, delay: time.Second, reason: "boom"}},
		{name: "third backoff", attempts: 9, made: 2, backoff: exponential, err: boom, want: verdict{kind: broker.Backoff, delay: 4 * time.Second, reason: "boom"}},
		{name: "backoff below a millisecond", attempts: 9, backoff: jobs.Backoff{Type: jobs.Fixed, Delay: time.Microsecond}, err: boom, want: verdict{kind: broker.Retry, reason: "boom"}},
		{name: "a backoff that panics", attempts: 9, backoff: jobs.Backoff{Type: "trap"}, err: boom, want: verdict{kind: broker.Failed, reason: `boom (not retried: backoff function of type "trap": panic: no)`}},
		{name: "unrecoverable", attempts: 9, err: jobs.Unrecoverable(boom), want: verdict{kind: broker.Failed, reason: "boom"}},
		{name: "snooze", attempts: 1, err: jobs.Snooze(time.Hour, "later"), want: verdict{kind: broker.Snooze, delay: time.Hour, reason: "snoozed for 1h0m0s: later"}},
		{name: "snooze for ever and ever", attempts: 1, made: 99, err: jobs.Snooze(time.Hour, "later"), want: verdict{kind: broker.Snooze, delay: time.Hour, reason: "snoozed for 1h0m0s: later"}},
		{name: "asked delay wins over the backoff", attempts: 9, backoff: exponential, err: jobs.RetryAfter(boom, time.Minute), want: verdict{kind: broker.Backoff, delay: time.Minute, reason: "boom"}},
		{name: "asked delay without attempts left", attempts: 1, err: jobs.RetryAfter(boom, time.Minute), want: verdict{kind: broker.Failed, reason: "boom"}},
		{name: "asked delay of nothing", attempts: 9, backoff: exponential, err: jobs.RetryAfter(boom, 0), want: verdict{kind: broker.Retry, reason: "boom"}},
		{name: "unrecoverable wins over an asked delay", attempts: 9, err: jobs.Unrecoverable(jobs.RetryAfter(boom, time.Minute)), want: verdict{kind: broker.Failed, reason: "boom"}},
		{name: "the worker's own backoff", attempts: 9, made: 1, backoff: jobs.Backoff{Type: "moon"}, err: boom, want: verdict{kind: broker.Backoff, delay: 20 * time.Second, reason: "boom"}},
		{name: "the worker's own backoff, capped", attempts: 9, made: 1, backoff: jobs.Backoff{Type: "moon", MaxDelay: time.Second}, err: boom, want: verdict{kind: broker.Backoff, delay: time.Second, reason: "boom"}},
		{name: "a negative one", attempts: 9, backoff: jobs.Backoff{Type: "past"}, err: boom, want: verdict{kind: broker.Retry, reason: "boom"}},
		{name: "a backoff that nobody knows", attempts: 9, backoff: jobs.Backoff{Type: "sun"}, err: boom, want: verdict{kind: broker.Failed, reason: `boom (not retried: no backoff function for type "sun")`}},
		{name: "a backoff that nobody knows and an asked delay", attempts: 9, backoff: jobs.Backoff{Type: "sun"}, err: jobs.RetryAfter(boom, time.Second), want: verdict{kind: broker.Backoff, delay: time.Second, reason: "boom"}},
		{name: "timeout", attempts: 2, err: &timeoutError{cause: jobs.ErrTimeout, err: context.DeadlineExceeded}, want: verdict{kind: broker.Retry, reason: "job timed out"}},
	}
	p := &policy{backoffs: map[jobs.BackoffType]func(int, *jobs.Job, error) time.Duration{
		"moon": func(attempt int, _ *jobs.Job, _ error) time.Duration {
			return time.Duration(attempt) * 10 * time.Second
		},
		"past": func(int, *jobs.Job, error) time.Duration { return -time.Hour },
		"trap": func(int, *jobs.Job, error) time.Duration { panic("no") },
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := &jobs.Job{AttemptsMade: tt.made, Options: jobs.Options{Attempts: tt.attempts, Backoff: tt.backoff, LIFO: tt.lifo}}
			got := p.judge(j, ending{err: tt.err, cause: tt.cause}, 0.5)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAReasonIsCutBetweenCharacters(t *testing.T) {
	p := &policy{}
	v := p.judge(&jobs.Job{}, ending{err: errors.New(strings.Repeat("é", 3000))}, 0)
	if len(v.reason) > maxReason || !strings.HasSuffix(v.reason, "é…") {
		t.Errorf("%d bytes, ends in %q", len(v.reason), v.reason[len(v.reason)-6:])
	}
}

func TestTracesAreTheNewestThatFit(t *testing.T) {
	long := strings.Repeat("x", jobs.MaxStacktrace)
	tests := []struct {
		name  string
		had   []string
		limit int
		trace string
		want  []int // lengths
	}{
		{"the first", nil, 0, "a", []int{1}},
		{"all", []string{"a", "bb"}, 0, "ccc", []int{1, 2, 3}},
		{"no more than the job wants", []string{"a", "bb"}, 2, "ccc", []int{2, 3}},
		{"only the newest", []string{"a", "bb"}, 1, "ccc", []int{3}},
		{"a long one is cut", nil, 0, long, []int{jobs.MaxStacktrace / 2}},
		{"what others wrote may be too long", []string{long, "a"}, 0, "b", []int{1, 1}},
		{"two long ones fit", []string{long[:jobs.MaxStacktrace/2]}, 0, long, []int{jobs.MaxStacktrace / 2, jobs.MaxStacktrace / 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			had := append([]string(nil), tt.had...)
			j := &jobs.Job{Stacktrace: had, Options: jobs.Options{StackTraceLimit: tt.limit}}
			var got []int
			for _, trace := range traces(j, tt.trace) {
				got = append(got, len(trace))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("lengths (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.had, j.Stacktrace); len(tt.had) > 0 && diff != "" {
				t.Errorf("the job's own were changed:\n%s", diff)
			}
		})
	}
}
