package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// packedOptions is the JSON object in the field opts of a job's hash. BullMQ
// shortens some names. timeout, expiresAt, maxDelay and the backoff type
// "linear" are ours; Node keeps and ignores what it does not know.
type packedOptions struct {
	Attempts         int            `json:"attempts"`
	Backoff          *packedBackoff `json:"backoff,omitempty"`
	Delay            int64          `json:"delay,omitempty"`    // ms, as added
	Priority         int            `json:"priority,omitempty"` // as added
	LIFO             bool           `json:"lifo,omitempty"`
	JobID            string         `json:"jobId,omitempty"`
	RemoveOnComplete any            `json:"removeOnComplete,omitempty"`
	RemoveOnFail     any            `json:"removeOnFail,omitempty"`
	KeepLogs         int            `json:"kl,omitempty"`
	StackTraceLimit  int            `json:"stackTraceLimit,omitempty"`
	SizeLimit        int            `json:"sizeLimit,omitempty"`
	Timeout          int64          `json:"timeout,omitempty"`   // ms
	ExpiresAt        int64          `json:"expiresAt,omitempty"` // ms since the epoch
	Trace            string         `json:"tm,omitempty"`
}

type packedBackoff struct {
	Type     string  `json:"type"`
	Delay    int64   `json:"delay"`              // ms
	MaxDelay int64   `json:"maxDelay,omitempty"` // ms
	Jitter   float64 `json:"jitter,omitempty"`
}

type packedRetention struct {
	Age   float64 `json:"age,omitempty"` // s
	Count int     `json:"count,omitempty"`
	Limit int     `json:"limit,omitempty"`
}

// EncodeOptions packs options for storage. Only what is set is written, except
// attempts, which Node writes always.
func EncodeOptions(o jobs.Options) ([]byte, error) {
	packed := packedOptions{
		Attempts:         o.Attempts,
		Backoff:          packBackoff(o.Backoff),
		Delay:            o.Delay.Milliseconds(),
		Priority:         max(0, int(o.Priority)),
		LIFO:             o.LIFO,
		JobID:            o.ID,
		RemoveOnComplete: packRetention(o.KeepCompleted),
		RemoveOnFail:     packRetention(o.KeepFailed),
		KeepLogs:         o.KeepLogs,
		StackTraceLimit:  o.StackTraceLimit,
		SizeLimit:        o.SizeLimit,
		Timeout:          o.Timeout.Milliseconds(),
		ExpiresAt:        millis(o.ExpiresAt),
		Trace:            o.Trace,
	}
	text, err := json.Marshal(packed)
	if err != nil {
		return nil, fmt.Errorf("encode options: %w", err)
	}
	return appendForeign(text, o.Foreign)
}

// appendForeign writes the members we do not read behind those we do, by name,
// so that the same options always give the same text.
func appendForeign(object []byte, foreign map[string]json.RawMessage) ([]byte, error) {
	if len(foreign) == 0 {
		return object, nil
	}
	var b bytes.Buffer
	b.Write(object[:len(object)-1])
	for _, name := range slices.Sorted(maps.Keys(foreign)) {
		if !json.Valid(foreign[name]) {
			return nil, fmt.Errorf("encode options: %s is not JSON", name)
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, fmt.Errorf("encode options: %w", err)
		}
		b.WriteByte(',')
		b.Write(key)
		b.WriteByte(':')
		b.Write(foreign[name])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func packBackoff(b jobs.Backoff) *packedBackoff {
	if b == (jobs.Backoff{}) {
		return nil
	}
	return &packedBackoff{
		Type:     string(b.Type),
		Delay:    b.Delay.Milliseconds(),
		MaxDelay: b.MaxDelay.Milliseconds(),
		Jitter:   b.Jitter,
	}
}

func packRetention(r *jobs.Retention) any {
	switch {
	case r == nil:
		return nil
	case r.None:
		return true
	case r.Count == 0 && r.Age == 0:
		return false
	case r.Age == 0:
		return r.Count
	default:
		return packedRetention{Age: r.Age.Seconds(), Count: r.Count, Limit: r.Limit}
	}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// DecodeOptions unpacks stored options. Members of the wrong type are an error
// that names each of them; all others are read, and unknown ones kept as they
// are. Empty text is the zero value, as in Node.
func DecodeOptions(text []byte) (jobs.Options, error) {
	var o jobs.Options
	if len(text) == 0 {
		return o, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return o, fmt.Errorf("opts is not a JSON object: %w", err)
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := decodeOption(&o, name, members[name]); err != nil {
			problems = append(problems, fmt.Errorf("opts.%s: %w", name, err))
		}
	}
	return o, errors.Join(problems...)
}

func decodeOption(o *jobs.Options, name string, text json.RawMessage) (err error) {
	if string(text) == "null" {
		return nil
	}
	switch name {
	case "attempts":
		o.Attempts, err = decodeInt(text)
	case "backoff":
		o.Backoff, err = decodeBackoff(text)
	case "delay":
		o.Delay, err = decodeMillis(text)
	case "priority":
		var n int
		n, err = decodeInt(text)
		o.Priority = jobs.Priority(n)
	case "lifo":
		o.LIFO, err = decodeBool(text)
	case "jobId":
		err = decodeString(text, &o.ID)
	case "removeOnComplete":
		o.KeepCompleted, err = decodeRetention(text)
	case "removeOnFail":
		o.KeepFailed, err = decodeRetention(text)
	case "kl":
		o.KeepLogs, err = decodeInt(text)
	case "stackTraceLimit":
		o.StackTraceLimit, err = decodeInt(text)
	case "sizeLimit":
		o.SizeLimit, err = decodeInt(text)
	case "timeout":
		o.Timeout, err = decodeMillis(text)
	case "expiresAt":
		o.ExpiresAt, err = decodeTime(text)
	case "tm":
		err = decodeString(text, &o.Trace)
	default:
		if o.Foreign == nil {
			o.Foreign = map[string]json.RawMessage{}
		}
		o.Foreign[name] = text
	}
	return err
}

// decodeInt takes any JSON number, because Node's encoder writes integers from
// 10^14 on in scientific notation, and cuts what lies outside an int.
func decodeInt(text json.RawMessage) (int, error) {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return 0, fmt.Errorf("is not a number: %.40q", text)
	}
	return int(cut(f)), nil
}

// cut drops the fraction, and what lies outside the whole numbers that a stored
// number can tell apart.
func cut(f float64) int64 {
	const limit = 1 << 53
	return int64(math.Max(-limit, math.Min(limit, f)))
}

func decodeTime(text json.RawMessage) (time.Time, error) {
	n, err := decodeInt(text)
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	at, ok := moment(int64(n))
	if !ok {
		return time.Time{}, fmt.Errorf("is not a time: %.40q", text)
	}
	return at, nil
}

// lastMoment is the end of the year 9999: a time behind it, or before the epoch,
// is a broken record, and could not be shown as JSON.
const lastMoment = 253_402_300_799_999

// moment is the time of a stored number of milliseconds since the epoch.
func moment(ms int64) (at time.Time, ok bool) {
	if ms < 0 || ms > lastMoment {
		return time.Time{}, false
	}
	return time.UnixMilli(ms), true
}

func decodeMillis(text json.RawMessage) (time.Duration, error) {
	n, err := decodeInt(text)
	return durationOf(int64(n)), err
}

// durationOf bounds milliseconds to what a Duration can hold.
func durationOf(ms int64) time.Duration {
	const limit = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(-limit, min(limit, ms))) * time.Millisecond
}

func decodeBool(text json.RawMessage) (bool, error) {
	switch strings.TrimSpace(string(text)) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("is not a boolean: %.40q", text)
}

func decodeString(text json.RawMessage, into *string) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("is not a string: %.40q", text)
	}
	return nil
}

// decodeBackoff reads an object, or the bare number of milliseconds that the
// template of a job scheduler may hold.
func decodeBackoff(text json.RawMessage) (jobs.Backoff, error) {
	if n, err := decodeInt(text); err == nil {
		return jobs.Backoff{Type: jobs.Fixed, Delay: durationOf(int64(n))}, nil
	}
	var packed struct {
		Type     string
		Delay    float64
		MaxDelay float64
		Jitter   float64
	}
	if err := json.Unmarshal(text, &packed); err != nil {
		return jobs.Backoff{}, fmt.Errorf("is not a backoff: %w", err)
	}
	return jobs.Backoff{
		Type:     jobs.BackoffType(packed.Type),
		Delay:    durationOf(cut(packed.Delay)),
		MaxDelay: durationOf(cut(packed.MaxDelay)),
		Jitter:   packed.Jitter,
	}, nil
}

// decodeRetention reads the three forms of removeOnComplete and removeOnFail:
// true removes at once, false keeps all, a number is a count, an object says
// more.
func decodeRetention(text json.RawMessage) (*jobs.Retention, error) {
	if keep, err := decodeBool(text); err == nil {
		return &jobs.Retention{None: keep}, nil
	}
	if n, err := decodeInt(text); err == nil {
		return retentionOf(n, 0, 0, true), nil
	}
	var packed struct {
		Age   float64
		Count *float64
		Limit float64
	}
	if err := json.Unmarshal(text, &packed); err != nil {
		return nil, fmt.Errorf("is not a boolean, number or object: %w", err)
	}
	if packed.Count == nil {
		return retentionOf(0, packed.Age, packed.Limit, false), nil
	}
	return retentionOf(int(cut(*packed.Count)), packed.Age, packed.Limit, true), nil
}

func retentionOf(count int, age, limit float64, counted bool) *jobs.Retention {
	if counted && count == 0 {
		return &jobs.Retention{None: true}
	}
	kept := &jobs.Retention{Count: max(0, count), Age: max(0, durationOf(cut(age*1000)))}
	if kept.Age > 0 { // which is all that the limit limits
		kept.Limit = max(0, int(cut(limit)))
	}
	return kept
}
