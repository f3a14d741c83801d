package document_test

import (
	"math"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/report/document"
)

func TestNumbersAreWrittenAsPeopleReadThem(t *testing.T) {
	tests := []struct {
		kind document.Kind
		n    float64
		want string
	}{
		{document.Count, 0, "0"},
		{document.Count, 999, "999"},
		{document.Count, 1234567, "1,234,567"},
		{document.Count, -1234, "−1,234"},
		{document.Decimal, 1234.5, "1,234.50"},
		{document.Decimal, -0.001, "0.00"},
		{document.Percent, 0, "0.0%"},
		{document.Percent, 0.0001, "<0.1%"},
		{document.Percent, 0.125, "12.5%"},
		{document.Percent, 0.99996, "99.996%"},
		{document.Percent, 1, "100.0%"},
		{document.Duration, 0, "0 ms"},
		{document.Duration, 999.4, "999 ms"},
		{document.Duration, 999.6, "1.00 s"},
		{document.Duration, 9994, "9.99 s"},
		{document.Duration, 59_949, "59.9 s"},
		{document.Duration, 59_951, "1 m 00 s"},
		{document.Duration, 3_599_499, "59 m 59 s"},
		{document.Duration, 3_600_000, "1 h 00 m"},
		{document.Duration, 200_000_000, "2 d 08 h"},
		{document.RoundDuration, 5000, "5 s"},
		{document.RoundDuration, 90_000, "1.5 m"},
	}
	for _, tt := range tests {
		got := document.Format{Kind: tt.kind}.Bare(document.Number(tt.n))
		if got = strings.ReplaceAll(got, "\u00a0", " "); got != tt.want {
			t.Errorf("%s of %g = %q, want %q", tt.kind, tt.n, got, tt.want)
		}
	}
}

func TestWhatIsNoNumberIsADash(t *testing.T) {
	for name, v := range map[string]document.Value{
		"none": document.None(), "NaN": document.Number(math.NaN()), "infinity": document.Number(math.Inf(1)), "0/0": document.Ratio(0, 0),
	} {
		if got := (document.Format{Kind: document.Count}).Show(v); got != "–" {
			t.Errorf("%s = %q", name, got)
		}
	}
}

func TestChangesAreRelativeOrInPoints(t *testing.T) {
	tests := []struct {
		kind        document.Kind
		now, before document.Value
		want        string
	}{
		{document.Count, document.Number(125), document.Number(100), "+25.0%"},
		{document.Count, document.Number(50), document.Number(100), "−50.0%"},
		{document.Count, document.Number(1300), document.Number(100), "+1,200%"},
		{document.Percent, document.Number(0.5), document.Number(0.485), "+1.5 pts"},
		{document.Count, document.Number(1), document.Number(0), ""},
		{document.Count, document.Number(1), document.None(), ""},
		{document.Count, document.Number(5), document.Number(5), ""},
		{document.Percent, document.Number(0.50001), document.Number(0.5), ""},
	}
	for _, tt := range tests {
		got := strings.ReplaceAll(document.Format{Kind: tt.kind}.Change(tt.now, tt.before), "\u00a0", " ")
		if got != tt.want {
			t.Errorf("change from %v to %v = %q, want %q", tt.before, tt.now, got, tt.want)
		}
	}
}
