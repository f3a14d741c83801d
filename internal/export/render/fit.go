package render

import "slices"

// fitWidths shares the width of a page among columns that would like to have
// the natural widths. Columns that do not wrap (numbers, times) keep theirs as
// long as they can; those that wrap give way, the widest first. When everything
// fits, what is left goes to all in proportion, within limits: a table of two
// narrow columns is not torn apart.
func fitWidths(natural []float64, wraps []bool, page float64) []float64 {
	total := sum(natural)
	if total <= page {
		return scaled(natural, min(page/max(total, 1), maxStretch))
	}
	fixed := 0.0
	for i, width := range natural {
		if !wraps[i] {
			fixed += width
		}
	}
	ceiling := levelOff(natural, wraps, page-fixed)
	if ceiling < minWrapped { // hopeless: everybody gives
		return scaled(natural, page/total)
	}
	widths := slices.Clone(natural)
	for i := range widths {
		if wraps[i] {
			widths[i] = min(widths[i], ceiling)
		}
	}
	return widths
}

const (
	maxStretch = 1.6
	minWrapped = 14 // mm that a wrapping column needs to be readable
)

// levelOff is the greatest width that the wrapping columns may have at most so
// that together they fit into room.
func levelOff(natural []float64, wraps []bool, room float64) float64 {
	var widths []float64
	for i, width := range natural {
		if wraps[i] {
			widths = append(widths, width)
		}
	}
	slices.Sort(widths)
	for i, width := range widths {
		share := room / float64(len(widths)-i)
		if width > share {
			return share
		}
		room -= width
	}
	return 0 // none wraps
}

func sum(widths []float64) (total float64) {
	for _, width := range widths {
		total += width
	}
	return total
}

func scaled(widths []float64, factor float64) []float64 {
	out := make([]float64, len(widths))
	for i, width := range widths {
		out[i] = width * factor
	}
	return out
}

// wrap breaks a text into lines that are no wider than width: at spaces where
// there are any, within a word where there are none, and where the text has a
// line break. Of more than maxLines the rest is left out, and an ellipsis says
// so.
func wrap(text string, width float64, maxLines int, measure func(rune) float64) []string {
	var lines []string
	for len(text) > 0 && len(lines) < maxLines {
		end, next := lineEnd(text, width, measure)
		lines = append(lines, text[:end])
		text = text[next:]
	}
	if len(text) > 0 {
		lines[maxLines-1] = ellipsis(lines[maxLines-1], width, measure)
	}
	return lines
}

// lineEnd finds where the first line of a text ends and the next one begins.
func lineEnd(text string, width float64, measure func(rune) float64) (end, next int) {
	used, space := 0.0, -1
	for i, r := range text {
		if r == '\n' {
			return i, i + 1
		}
		used += measure(r)
		if used > width && i > 0 {
			switch {
			case r == ' ':
				return i, i + 1
			case space > 0:
				return space, space + 1
			default:
				return i, i
			}
		}
		if r == ' ' {
			space = i
		}
	}
	return len(text), len(text)
}

// ellipsis ends a line with … and takes away what has no room for it.
func ellipsis(line string, width float64, measure func(rune) float64) string {
	room := width - measure('…')
	for i, r := range line {
		if room -= measure(r); room < 0 {
			return line[:i] + "…"
		}
	}
	return line + "…"
}
