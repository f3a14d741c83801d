package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFitWidthsSharesThePage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		natural []float64
		wraps   []bool
		want    []float64
	}{
		{"what fits grows to the page", []float64{30, 50}, []bool{false, true}, []float64{37.5, 62.5}},
		{"but not beyond measure", []float64{10, 10}, []bool{false, true}, []float64{16, 16}},
		{"the widest gives way first", []float64{20, 20, 90}, []bool{false, true, true}, []float64{20, 20, 60}},
		{"wide ones share what is left", []float64{20, 90, 70}, []bool{false, true, true}, []float64{20, 40, 40}},
		{"numbers give only when nothing else can", []float64{100, 60, 40}, []bool{false, false, true}, []float64{50, 30, 20}},
		{"nothing wraps", []float64{100, 100}, []bool{false, false}, []float64{50, 50}},
		{"no columns", nil, nil, []float64{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := fitWidths(tt.natural, tt.wraps, 100)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("widths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrapBreaksLinesWhereAReaderWould(t *testing.T) {
	one := func(rune) float64 { return 1 }
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"short", "abc", []string{"abc"}},
		{"exactly", "abcde", []string{"abcde"}},
		{"at spaces", "ab cd efg", []string{"ab cd", "efg"}},
		{"a space just behind the line", "abcde fg", []string{"abcde", "fg"}},
		{"within a long word", "abcdefgh", []string{"abcde", "fgh"}},
		{"a long word after a short one", "a bcdefgh", []string{"a", "bcdef", "gh"}},
		{"letters of several bytes", "ééééééé", []string{"ééééé", "éé"}},
		{"at line breaks", "a\n\nb", []string{"a", "", "b"}},
		{"too many lines", "aa\nbb\ncc\ndd", []string{"aa", "bb", "cc…"}},
		{"no room for the ellipsis", "aa\nbb\nccccc\ndd", []string{"aa", "bb", "cccc…"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, wrap(tt.text, 5, 3, one)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALetterWiderThanTheLineStillEndsTheLine(t *testing.T) {
	huge := func(rune) float64 { return 10 }
	if diff := cmp.Diff([]string{"a", "b"}, wrap("ab", 5, 3, huge)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("some words\nand more", 7.0)
	f.Fuzz(func(t *testing.T, text string, width float64) {
		if !(width >= 2) {
			return
		}
		lines := wrap(text, width, 1000, func(rune) float64 { return 1 })
		squeeze := strings.NewReplacer(" ", "", "\n", "")
		if got, want := squeeze.Replace(strings.Join(lines, "")), squeeze.Replace(text); len(lines) < 1000 && got != want {
			t.Errorf("wrapped to %q, want %q", got, want)
		}
		for _, line := range lines {
			if n := len([]rune(line)); float64(n) > width {
				t.Errorf("%q is wider than %v", line, width)
			}
		}
	})
}
