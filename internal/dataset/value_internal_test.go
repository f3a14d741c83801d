package dataset

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDriverValuesBecomeTheColumnsType(t *testing.T) {
	moment := time.Date(2026, 11, 24, 15, 4, 5, 0, time.UTC)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		column Column
		raw    any
		want   any
	}{
		{"text", Column{Type: Text}, "a", "a"},
		{"bytes are text", Column{Type: Text}, []byte("a"), "a"},
		{"broken text", Column{Type: Text}, "a\xff", "a�"},
		{"a number as text", Column{Type: Text}, int64(7), "7"},
		{"a fraction as text", Column{Type: Text}, 1.5, "1.5"},
		{"a boolean as text", Column{Type: Text}, true, "true"},
		{"a time as text", Column{Type: Text}, moment, "2026-11-24T15:04:05Z"},
		{"integer", Column{Type: Integer}, int64(7), int64(7)},
		{"integer in digits", Column{Type: Integer}, "7", int64(7)},
		{"integer in floating point", Column{Type: Integer}, 7.0, int64(7)},
		{"number", Column{Type: Number}, 1.5, 1.5},
		{"whole number", Column{Type: Number}, int64(7), int64(7)},
		{"decimal keeps its digits", Column{Type: Number}, "12345678901234567890.10", json.Number("12345678901234567890.10")},
		{"decimal beyond floating point", Column{Type: Number}, "1e999", json.Number("1e999")},
		{"decimal that is not JSON", Column{Type: Number}, ".5", 0.5},
		{"NaN has no spelling", Column{Type: Number}, math.NaN(), nil},
		{"NaN in letters", Column{Type: Number}, "NaN", nil},
		{"infinity", Column{Type: Number}, "-Infinity", nil},
		{"boolean", Column{Type: Boolean}, true, true},
		{"boolean as 0", Column{Type: Boolean}, int64(0), false},
		{"boolean as t", Column{Type: Boolean}, "t", true},
		{"milliseconds", Column{Type: Timestamp, Stored: Millis}, moment.UnixMilli(), moment},
		{"seconds", Column{Type: Timestamp, Stored: Seconds}, moment.Unix(), moment},
		{"seconds in digits", Column{Type: Timestamp, Stored: Seconds}, "1795532645", moment},
		{"native time elsewhere", Column{Type: Timestamp}, moment.In(time.FixedZone("", 7200)), moment},
		{"time in RFC 3339", Column{Type: Timestamp}, "2026-11-24T16:04:05+01:00", moment},
		{"time as SQLite writes it", Column{Type: Timestamp, Stored: SQLText}, "2026-11-24 15:04:05", moment},
		{"time as PostgreSQL writes it", Column{Type: Timestamp}, "2026-11-24 17:04:05+02", moment},
		{"date", Column{Type: Date}, "2026-11-24", midnight},
		{"date with a time", Column{Type: Date}, moment, midnight},
		{"nothing", Column{Type: Number}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := typed(tt.column, tt.raw)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestOtherValuesAreRefusedWithoutRepeatingThem(t *testing.T) {
	for _, tt := range []struct {
		column Column
		raw    any
	}{
		{Column{Type: Integer}, "secret"},
		{Column{Type: Integer}, 1.5},
		{Column{Type: Integer}, 1e300},
		{Column{Type: Integer}, true},
		{Column{Type: Number}, "secret"},
		{Column{Type: Number}, true},
		{Column{Type: Boolean}, int64(2)},
		{Column{Type: Boolean}, "secret"},
		{Column{Type: Timestamp}, "secret"},
		{Column{Type: Timestamp}, int64(1)}, // nobody said of what
		{Column{Type: Date}, true},
		{Column{Type: Text}, struct{}{}},
	} {
		got, err := typed(tt.column, tt.raw)
		if !errors.Is(err, ErrWrongType) || got != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s of %v: %v, %v; want ErrWrongType", tt.column.Type, tt.raw, got, err)
		}
	}
}

func TestHeadingsReadAsWords(t *testing.T) {
	for name, want := range map[string]string{
		"id": "Id", "createdAt": "Created at", "created_at": "Created at", "job-runs": "Job runs", "waitMS": "Wait ms", "URL": "Url", "a_b-c": "A b c",
	} {
		if got := heading(name); got != want {
			t.Errorf("heading(%q) = %q, want %q", name, got, want)
		}
	}
}
