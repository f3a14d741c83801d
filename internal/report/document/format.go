package document

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Format says how the values of a column, a tile or an axis are written.
type Format struct {
	Kind Kind   `json:"kind"`
	Unit string `json:"unit,omitempty"` // beside a count or a decimal: EUR, kg
}

// Kind is what a value means.
type Kind string

// The kinds of value.
const (
	Plain    Kind = "text"
	Count    Kind = "count"    // 1,234
	Decimal  Kind = "decimal"  // 1,234.50
	Percent  Kind = "percent"  // a ratio: 0.125 is 12.5%
	Duration Kind = "duration" // milliseconds: 850 ms, 12.4 s, 3 m 05 s
	// RoundDuration is milliseconds that somebody chose: 5 s, 2 m.
	RoundDuration Kind = "round-duration"
	Date          Kind = "date"  // text YYYY-MM-DD
	MonthOf       Kind = "month" // text YYYY-MM-DD, of which the month counts
)

// missing is written for None: an en dash, so that a column keeps its rhythm.
const missing = "–"

// Numeric reports whether values of the format are numbers, set to the right.
func (f Format) Numeric() bool {
	return f.Kind == Count || f.Kind == Decimal || f.Kind == Percent || f.Kind == Duration || f.Kind == RoundDuration
}

// Show writes a value in full, with its unit.
func (f Format) Show(v Value) string {
	if f.Unit == "" || v.kind != number {
		return f.Bare(v)
	}
	return f.Bare(v) + "\u00a0" + f.Unit
}

// Bare writes a value without its unit, for a column whose heading has it.
func (f Format) Bare(v Value) string {
	switch v.kind {
	case none:
		return missing
	case text:
		return f.showText(v.text)
	}
	switch f.Kind {
	case Percent:
		return percent(v.number)
	case Duration:
		return duration(v.number)
	case RoundDuration:
		return axisDuration(v.number)
	case Decimal:
		return grouped(v.number, 2)
	default:
		return grouped(v.number, 0)
	}
}

func (f Format) showText(s string) string {
	layout := map[Kind]string{Date: "Mon 2 Jan 2006", MonthOf: "January 2006"}[f.Kind]
	if layout == "" {
		return s
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s // a footer's word, as "Total", is no date
	}
	return t.Format(layout)
}

// Axis writes a number as short as the tick of an axis wants it: 1.2k, 350 ms.
func (f Format) Axis(n float64) string {
	switch f.Kind {
	case Percent:
		return trimZeros(strconv.FormatFloat(n*100, 'f', 1, 64)) + "%"
	case Duration:
		return axisDuration(n)
	default:
		return short(n)
	}
}

// Change writes how v differs from previous: "+12.4%", and for a share in
// points: "+1.5 pts". It is empty when either is unknown or they look alike.
func (f Format) Change(v, previous Value) string {
	now, ok := v.Float()
	before, known := previous.Float()
	if !ok || !known || f.Show(v) == f.Show(previous) {
		return ""
	}
	if f.Kind == Percent {
		return signed(100*(now-before), 1) + "\u00a0pts"
	}
	if before == 0 {
		return ""
	}
	return relative(100 * (now - before) / math.Abs(before))
}

func relative(change float64) string {
	if math.Abs(change) >= 100 {
		return signed(change, 0) + "%"
	}
	return signed(change, 1) + "%"
}

func signed(n float64, decimals int) string {
	text := grouped(math.Abs(n), decimals)
	if n < 0 {
		return "−" + text
	}
	return "+" + text
}

func percent(ratio float64) string {
	if ratio > 0.9995 && ratio < 1 { // never rounded up to a perfection that was missed
		return strconv.FormatFloat(math.Floor(ratio*1e5)/1e3, 'f', 3, 64) + "%"
	}
	if ratio > 0 && ratio < 0.0005 { // nor down to none at all
		return "<0.1%"
	}
	return grouped(ratio*100, 1) + "%"
}

// grouped writes n with a comma between thousands and a true minus.
func grouped(n float64, decimals int) string {
	digits := strconv.FormatFloat(math.Abs(n), 'f', decimals, 64)
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	var b strings.Builder
	if n < 0 && strings.Trim(digits, "0.") != "" {
		b.WriteString("−")
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if hasFraction {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// duration writes milliseconds with about three digits.
func duration(ms float64) string {
	switch {
	case ms < 0:
		return "−" + duration(-ms)
	case ms < 999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + "\u00a0ms"
	case ms < 9_995:
		return strconv.FormatFloat(ms/1e3, 'f', 2, 64) + "\u00a0s"
	case ms < 59_950:
		return strconv.FormatFloat(ms/1e3, 'f', 1, 64) + "\u00a0s"
	case ms < 3_599_500:
		return twoParts(ms/1e3, 60, "m", "s")
	case ms < 172_770_000:
		return twoParts(ms/60e3, 60, "h", "m")
	default:
		return twoParts(ms/3600e3, 24, "d", "h")
	}
}

func twoParts(small float64, perBig int, bigUnit, smallUnit string) string {
	n := int64(math.Round(small))
	return fmt.Sprintf("%s\u00a0%s\u00a0%02d\u00a0%s",
		grouped(float64(n/int64(perBig)), 0), bigUnit, n%int64(perBig), smallUnit)
}

func axisDuration(ms float64) string {
	for _, step := range []struct {
		size float64
		unit string
	}{{86400e3, "d"}, {3600e3, "h"}, {60e3, "m"}, {1e3, "s"}} {
		if math.Abs(ms) >= step.size {
			return trimZeros(strconv.FormatFloat(ms/step.size, 'f', 1, 64)) + "\u00a0" + step.unit
		}
	}
	return trimZeros(strconv.FormatFloat(ms, 'f', 1, 64)) + "\u00a0ms"
}

func short(n float64) string {
	for _, step := range []struct {
		size float64
		unit string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(n) >= step.size {
			return trimZeros(strconv.FormatFloat(n/step.size, 'f', 1, 64)) + step.unit
		}
	}
	return trimZeros(strconv.FormatFloat(n, 'f', 2, 64))
}

func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
