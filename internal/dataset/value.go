package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrWrongType says that a stored value is not of the type that the catalogue
// declares: the description of the dataset is wrong, and a retry cannot help.
var ErrWrongType = errors.New("stored value is not of the declared type")

// typed turns what a driver returned into the Go type of the column. Drivers
// differ (SQLite has no booleans, PostgreSQL sends decimals as text), so each
// type accepts every spelling that means one value for certain.
func typed(column Column, raw any) (any, error) {
	if bytes, ok := raw.([]byte); ok {
		raw = string(bytes)
	}
	if raw == nil {
		return nil, nil
	}
	value, ok := convert(column, raw)
	if !ok {
		return nil, fmt.Errorf("%w: %s, but the database has a %T", ErrWrongType, column.Type, raw)
	}
	return value, nil
}

func convert(column Column, raw any) (any, bool) {
	switch column.Type {
	case Text:
		return toText(raw)
	case Integer:
		return toInteger(raw)
	case Number:
		return toNumber(raw)
	case Boolean:
		return toBoolean(raw)
	case Timestamp:
		return toTime(column.Stored, raw)
	default:
		moment, ok := toTime(column.Stored, raw)
		return moment.Truncate(24 * time.Hour), ok
	}
}

func toText(raw any) (string, bool) {
	switch v := raw.(type) {
	case string:
		return strings.ToValidUTF8(v, "�"), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), true
	default:
		return "", false
	}
}

func toInteger(raw any) (int64, bool) {
	switch v := raw.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

// toNumber keeps a decimal's digits. What is no number at all (NaN, infinity)
// has no spelling in JSON or in a spreadsheet, and becomes an empty cell.
func toNumber(raw any) (any, bool) {
	switch v := raw.(type) {
	case int64:
		return v, true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, true
		}
		return v, true
	case string:
		return decimal(strings.TrimSpace(v))
	default:
		return nil, false
	}
}

func decimal(text string) (any, bool) {
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return nil, false
	case math.IsNaN(f) || math.IsInf(f, 0) && err == nil:
		return nil, true
	case json.Valid([]byte(text)):
		return json.Number(text), true
	default: // ".5", "+1", "0x10": read, but not JSON
		return f, err == nil
	}
}

func toBoolean(raw any) (bool, bool) {
	switch v := raw.(type) {
	case bool:
		return v, true
	case int64:
		return v != 0, v == 0 || v == 1
	case string:
		b, err := strconv.ParseBool(strings.ToLower(v))
		return b, err == nil
	default:
		return false, false
	}
}

// timeLayouts are the texts that databases write for a time without a zone,
// which is UTC, or with one.
var timeLayouts = []string{
	time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07",
	"2006-01-02 15:04:05 -0700 MST", "2006-01-02T15:04:05", time.DateOnly,
}

func toTime(as Stored, raw any) (time.Time, bool) {
	switch v := raw.(type) {
	case time.Time:
		return v.UTC(), true
	case int64:
		return fromNumber(as, v)
	case float64:
		return fromNumber(as, int64(v))
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return fromNumber(as, n)
		}
		for _, layout := range timeLayouts {
			if moment, err := time.Parse(layout, v); err == nil {
				return moment.UTC(), true
			}
		}
	}
	return time.Time{}, false
}

func fromNumber(as Stored, n int64) (time.Time, bool) {
	switch as {
	case Millis:
		return time.UnixMilli(n).UTC(), true
	case Seconds:
		return time.Unix(n, 0).UTC(), true
	default:
		return time.Time{}, false
	}
}
