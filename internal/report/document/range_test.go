package document_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/report/document"
)

func TestARangeIsNamedByTheDaysThatAreInIt(t *testing.T) {
	tests := []struct {
		start, end string
		wholeDays  bool
		want       string
	}{
		{"2026-01-01T00:00", "2026-02-01T00:00", true, "1 – 31 January 2026"},
		{"2026-01-31T00:00", "2026-02-01T00:00", true, "31 January 2026"},
		{"2026-01-31T00:00", "2026-02-02T00:00", true, "31 January – 1 February 2026"},
		{"2026-12-31T00:00", "2027-01-02T00:00", true, "31 December 2026 – 1 January 2027"},
		{"2026-01-01T00:00", "2026-01-01T09:30", false, "1 January 2026, 00:00 – 1 January 2026, 09:30"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			r := document.Range{Start: moment(t, test.start), End: moment(t, test.end), WholeDays: test.wholeDays}
			if got := r.String(); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
