package dataset

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandemq/tandem/internal/jobs"
)

// literal reads a filter's value as the column's type and returns what to
// bind; nil is JSON's null. A moment that may be stored as text stays a time.Time.
func literal(column Column, raw json.RawMessage, at string) (any, error) {
	value, err := scalar(raw)
	if err != nil {
		return nil, jobs.Invalid(at, "must be a single value")
	}
	if value == nil {
		return nil, nil
	}
	switch column.Type {
	case Text:
		return textLiteral(value, at)
	case Integer:
		return integerLiteral(value, at)
	case Number:
		return numberLiteral(value, at)
	case Boolean:
		if b, ok := value.(bool); ok {
			return b, nil
		}
		return nil, jobs.Invalid(at, "must be true or false")
	default:
		return timeLiteral(column, value, at)
	}
}

func textLiteral(value any, at string) (any, error) {
	text, ok := value.(string)
	if !ok {
		return nil, jobs.Invalid(at, "must be a text")
	}
	return text, checkText(text, at)
}

// checkText refuses NUL, which PostgreSQL cannot hold in a text.
func checkText(text, at string) error {
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return jobs.Invalid(at, "must be a text without NUL characters")
	}
	return nil
}

func integerLiteral(value any, at string) (any, error) {
	if number, ok := value.(json.Number); ok {
		if n, err := strconv.ParseInt(number.String(), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, jobs.Invalid(at, "must be a whole number")
}

func numberLiteral(value any, at string) (any, error) {
	if whole, err := integerLiteral(value, at); err == nil {
		return whole, nil
	}
	if number, ok := value.(json.Number); ok {
		if f, err := number.Float64(); err == nil && !math.IsInf(f, 0) {
			return f, nil
		}
	}
	return nil, jobs.Invalid(at, "must be a number")
}

// timeLiteral reads a moment or a day and binds it as the column stores it.
func timeLiteral(column Column, value any, at string) (any, error) {
	moment, ok := readTime(value)
	if !ok || moment.Year() < 0 || moment.Year() > 9999 {
		if column.Type == Date {
			return nil, jobs.Invalid(at, "must be a date like 2026-11-24")
		}
		return nil, jobs.Invalid(at, "must be a time like 2026-11-24T15:04:05Z, a date, or milliseconds since 1970")
	}
	return stored(column, moment), nil
}

func readTime(value any) (time.Time, bool) {
	switch v := value.(type) {
	case json.Number:
		ms, err := strconv.ParseInt(v.String(), 10, 64)
		return time.UnixMilli(ms).UTC(), err == nil
	case string:
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if moment, err := time.Parse(layout, v); err == nil {
				return moment.UTC(), true
			}
		}
	}
	return time.Time{}, false
}

func stored(column Column, moment time.Time) any {
	switch {
	case column.Stored == Millis:
		return moment.UnixMilli()
	case column.Stored == Seconds:
		return moment.Unix()
	case column.textual():
		return moment
	default:
		return moment.Format(time.DateOnly)
	}
}
