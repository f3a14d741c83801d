package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// storedOptions is how jobs.Options stand in the table: the words of the HTTP
// API, durations and times in milliseconds. Keep reading what was written
// before: entries may be older than the program.
type storedOptions struct {
	Priority    int            `json:"priority,omitempty"`
	MaxAttempts int            `json:"maxAttempts,omitempty"`
	Backoff     *storedBackoff `json:"backoff,omitempty"`
	Delay       int64          `json:"delay,omitempty"`
	RunAt       int64          `json:"runAt,omitempty"`
	Timeout     int64          `json:"timeout,omitempty"`
	ExpiresAt   int64          `json:"expiresAt,omitempty"`
	Trace       string         `json:"trace,omitempty"`
}

type storedBackoff struct {
	Type     jobs.BackoffType `json:"type"`
	Delay    int64            `json:"delay"`
	MaxDelay int64            `json:"maxDelay,omitempty"`
	Jitter   float64          `json:"jitter,omitempty"`
}

// EncodeOptions is the text to store. Options that have no place in it are
// refused, so that none is lost without a word.
func EncodeOptions(o jobs.Options) (string, error) {
	if o.LIFO || o.KeepCompleted != nil || o.KeepFailed != nil || o.KeepLogs != 0 ||
		o.StackTraceLimit != 0 || o.SizeLimit != 0 || len(o.Foreign) > 0 {
		return "", jobs.Invalid("options", "has a field that the outbox does not store")
	}
	stored := storedOptions{
		Priority: int(o.Priority), MaxAttempts: o.Attempts, Delay: o.Delay.Milliseconds(), RunAt: unixMilli(o.RunAt),
		Timeout: o.Timeout.Milliseconds(), ExpiresAt: unixMilli(o.ExpiresAt), Trace: o.Trace,
	}
	if b := o.Backoff; b != (jobs.Backoff{}) {
		stored.Backoff = &storedBackoff{b.Type, b.Delay.Milliseconds(), b.MaxDelay.Milliseconds(), b.Jitter}
	}
	text, err := json.Marshal(stored)
	return string(text), err
}

// DecodeOptions reads what EncodeOptions wrote.
func DecodeOptions(text string) (jobs.Options, error) {
	var s storedOptions
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return jobs.Options{}, fmt.Errorf("stored options: %w", err)
	}
	o := jobs.Options{
		Priority: jobs.Priority(s.Priority), Attempts: s.MaxAttempts, Delay: millis(s.Delay), RunAt: timeOf(s.RunAt),
		Timeout: millis(s.Timeout), ExpiresAt: timeOf(s.ExpiresAt), Trace: s.Trace,
	}
	if b := s.Backoff; b != nil {
		o.Backoff = jobs.Backoff{Type: b.Type, Delay: millis(b.Delay), MaxDelay: millis(b.MaxDelay), Jitter: b.Jitter}
	}
	if err := o.Validate(); err != nil {
		return jobs.Options{}, fmt.Errorf("stored options: %w", err)
	}
	return o, nil
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
