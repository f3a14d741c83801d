package jobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
)

func TestBackoffDelays(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name string
		b    jobs.Backoff
		want []time.Duration
	}{
		{"none", jobs.Backoff{}, []time.Duration{0, 0, 0}},
		{"fixed", jobs.Backoff{Type: jobs.Fixed, Delay: s}, []time.Duration{s, s, s, s, s}},
		{"linear", jobs.Backoff{Type: jobs.Linear, Delay: s}, []time.Duration{s, 2 * s, 3 * s, 4 * s, 5 * s}},
		{"exponential", jobs.Backoff{Type: jobs.Exponential, Delay: s}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s}},
		{"capped", jobs.Backoff{Type: jobs.Exponential, Delay: s, MaxDelay: 5 * s}, []time.Duration{s, 2 * s, 4 * s, 5 * s, 5 * s}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []time.Duration
			for attempt := range tt.want {
				got = append(got, tt.b.After(attempt+1, 0.7))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("delays (-want +got):\n%s", diff)
			}
		})
	}
	year := 365 * 24 * time.Hour
	for _, attempt := range []int{64, 1000, math.MaxInt} {
		if d := (jobs.Backoff{Type: jobs.Exponential, Delay: s}).After(attempt, 0); d != year {
			t.Errorf("attempt %d waits %s, wanted a year", attempt, d)
		}
	}
}

func TestJitterOnlyShortensADelay(t *testing.T) {
	for _, jitter := range []float64{0.1, 0.5, 1} {
		b := jobs.Backoff{Type: jobs.Exponential, Delay: time.Second, MaxDelay: 10 * time.Second, Jitter: jitter}
		for attempt := 1; attempt <= 8; attempt++ {
			full := min(10*time.Second, time.Second<<(attempt-1))
			least := time.Duration(float64(full)*(1-jitter)) - time.Millisecond
			for _, r := range []float64{0, 0.25, 0.999999} {
				if d := b.After(attempt, r); d > full || d < least {
					t.Errorf("jitter %v, attempt %d, r %v: %s is not within %s and %s", jitter, attempt, r, d, least, full)
				}
			}
		}
	}
}

func TestOptionsNameTheFieldThatIsWrong(t *testing.T) {
	fixed := jobs.Backoff{Type: jobs.Fixed}
	with := func(change func(*jobs.Backoff)) jobs.Options {
		b := fixed
		change(&b)
		return jobs.Options{Backoff: b}
	}
	tests := map[string][]jobs.Options{
		"": {
			{}, {ID: "a"}, {Priority: jobs.MaxPriority}, {Priority: jobs.Unprioritized}, {LIFO: true}, {Delay: time.Hour},
			{RunAt: time.Now().Add(time.Hour)}, {RunAt: time.Unix(0, 0)}, {Attempts: 1_000_000}, {Backoff: jobs.Backoff{Type: "moon"}},
			{ExpiresAt: time.Now().Add(-time.Hour)}, {Delay: time.Hour, ExpiresAt: time.Now().Add(2 * time.Hour)},
		},
		"expiresAt": {
			{ExpiresAt: time.Unix(0, 0)}, {ExpiresAt: time.Now().AddDate(21, 0, 0)},
			{Delay: time.Hour, ExpiresAt: time.Now().Add(time.Hour - time.Second)},
			{RunAt: time.Now().Add(time.Hour), ExpiresAt: time.Now()},
		},
		"jobId":           {{ID: "12"}, {ID: "-3"}, {ID: "a:b"}, {ID: "meta"}, {ID: "a\x00"}, {ID: strings.Repeat("a", 257)}},
		"priority":        {{Priority: -2}, {Priority: jobs.MaxPriority + 1}},
		"lifo":            {{LIFO: true, Priority: 1}},
		"delay":           {{Delay: -1}, {Delay: 11 * 365 * 24 * time.Hour}},
		"runAt":           {{Delay: 1, RunAt: time.Now()}, {RunAt: time.Now().AddDate(11, 0, 0)}},
		"maxAttempts":     {{Attempts: -1}, {Attempts: 1_000_001}},
		"timeout":         {{Timeout: -1}},
		"keepLogs":        {{KeepLogs: -1}},
		"stackTraceLimit": {{StackTraceLimit: -1}},
		"keepCompleted": {
			{KeepCompleted: &jobs.Retention{Count: -1}},
			{KeepCompleted: &jobs.Retention{Age: -time.Second}},
			{KeepCompleted: &jobs.Retention{Age: time.Millisecond}},
		},
		"keepFailed":   {{KeepFailed: &jobs.Retention{Limit: -1}}},
		"sizeLimit":    {{SizeLimit: -1}},
		"backoff.type": {{Backoff: jobs.Backoff{Delay: 1}}},
		"backoff.delay": {
			with(func(b *jobs.Backoff) { b.Delay = -1 }), with(func(b *jobs.Backoff) { b.Delay = 366 * 24 * time.Hour }),
		},
		"backoff.maxDelay": {with(func(b *jobs.Backoff) { b.MaxDelay = -1 })},
		"backoff.jitter": {
			with(func(b *jobs.Backoff) { b.Jitter = -0.1 }), with(func(b *jobs.Backoff) { b.Jitter = 1.1 }),
			with(func(b *jobs.Backoff) { b.Jitter = math.NaN() }),
		},
	}
	for field, list := range tests {
		for i, o := range list {
			err := o.Validate()
			invalid, _ := errors.AsType[*jobs.ValidationError](err)
			if got := fieldOf(invalid); got != field || (err == nil) != (field == "") {
				t.Errorf("%q case %d: error %v", field, i, err)
			}
		}
	}
}

func fieldOf(err *jobs.ValidationError) string {
	if err == nil {
		return ""
	}
	return err.Field
}

func TestPriorities(t *testing.T) {
	for text, want := range map[string]jobs.Priority{
		"critical": 1, "high": 10, "normal": 100, "low": 1000, "1": 1, "17": 17, "2097151": jobs.MaxPriority,
	} {
		if got, err := jobs.ParsePriority(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "2097152", "urgent", "High", "1.5", " 1"} {
		if _, err := jobs.ParsePriority(text); !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("%q: error %v", text, err)
		}
	}
	var got []jobs.Priority
	if err := json.Unmarshal([]byte(`["low",5,"5"]`), &got); err != nil || !cmp.Equal(got, []jobs.Priority{1000, 5, 5}) {
		t.Errorf("from JSON: %v, %v", got, err)
	}
}

func FuzzParsePriority(f *testing.F) {
	for _, seed := range []string{"critical", "low", "1", "2097151", "0", "-1", "+1", "1e3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := jobs.ParsePriority(text)
		if err != nil {
			if p != 0 {
				t.Errorf("%q: an error and %d", text, p)
			}
			return
		}
		if back, err := jobs.ParsePriority(p.String()); err != nil || back != p {
			t.Errorf("%q became %d and came back as %d, %v", text, p, back, err)
		}
	})
}

func TestWhatCanBeAJobsID(t *testing.T) {
	for id, want := range map[string]bool{
		"order-7": true, "123": true, "a:b:c": true, "": false, "a:b": false, "a:b:c:d": false, "wait": false, "meta:x:y": false,
		"repeat:daily:1700000000000": true, "repeat:daily:report:1700000000000": true,
		"repeat": false, "repeat:daily": false, "repeat:daily:report": false, "repeat:daily:": false, "repeat::1": false, "repeat:1": false,
	} {
		if got := jobs.CanBeID(id); got != want {
			t.Errorf("%q: %t, wanted %t", id, got, want)
		}
	}
}

func FuzzValidateID(f *testing.F) {
	for _, seed := range []string{"order-7", "123", "a:b", "repeat:x:1", "meta", "0", "é", "\xff", "a\nb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if jobs.ValidateID(id) != nil {
			return
		}
		if !jobs.CanBeID(id) || strings.ContainsAny(id, "\r\n\x00") || len(id) > jobs.MaxID {
			t.Errorf("%q was accepted", id)
		}
	})
}

func TestErrorsSayWhatToDoHoweverTheyAreWrapped(t *testing.T) {
	boom := errors.New("boom")
	wrapped := fmt.Errorf("send: %w", jobs.Unrecoverable(boom))
	if !jobs.IsUnrecoverable(wrapped) || !errors.Is(wrapped, boom) || jobs.IsUnrecoverable(boom) {
		t.Error("Unrecoverable is not found, or found where it is not")
	}
	if jobs.Unrecoverable(nil) != nil || jobs.RetryAfter(nil, time.Second) != nil {
		t.Error("nil became an error")
	}
	if d, ok := jobs.AskedDelay(fmt.Errorf("x: %w", jobs.RetryAfter(boom, -time.Second))); !ok || d != 0 {
		t.Errorf("asked delay %s, %t", d, ok)
	}
	if d, ok := jobs.SnoozedFor(fmt.Errorf("x: %w", jobs.Snooze(time.Minute, "later"))); !ok || d != time.Minute {
		t.Errorf("snoozed for %s, %t", d, ok)
	}
	for _, err := range []error{jobs.ErrLoading, jobs.ErrReadOnly, jobs.ErrOutOfMemory, jobs.ErrBusy} {
		if !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("%v is not ErrUnavailable", err)
		}
	}
}
