package render

import "strings"

// The look of a table, in millimetres and points.
const (
	cellPad      = 1.6
	tableLine    = 4.2  // of one line of text
	rowPad       = 1.15 // above and below the text of a row
	maxCellLines = 3
	tableFont    = 8.5
	smallFont    = 6.0
)

// tableSheet is one table being set on a sheet.
type tableSheet struct {
	*sheet
	view   *tableView
	size   float64   // of the font
	widths []float64 // of the columns, padding included
}

func (s *sheet) table(view *tableView) {
	t := &tableSheet{sheet: s, view: view, size: tableFont}
	t.widths = t.columns()
	for t.sum() > bodyWidth+0.01 && t.size > smallFont {
		t.size -= 0.5
		t.widths = t.columns()
	}
	t.fillWidth()
	t.y++
	t.header()
	for i, row := range view.Rows {
		t.row(row, i%2 == 1)
	}
	t.footer()
}

// columns gives a column of numbers what its longest number needs, a heading
// its longest word, and a column of text what it wants up to a share of the sheet.
func (t *tableSheet) columns() []float64 {
	widths := make([]float64, len(t.view.Columns))
	for i, c := range t.view.Columns {
		t.font("B", t.size, ink)
		for word := range strings.FieldsSeq(t.r.drawable(c.Title)) {
			widths[i] = max(widths[i], t.pdf.GetStringWidth(word))
		}
		if t.view.Footer != nil {
			widths[i] = max(widths[i], t.wanted(t.view.Footer[i]))
		}
		t.font("", t.size, ink)
		for _, row := range t.view.Rows {
			widths[i] = max(widths[i], t.wanted(row[i]))
		}
		widths[i] += 2 * cellPad
	}
	return widths
}

func (t *tableSheet) wanted(c cellView) float64 {
	width := t.pdf.GetStringWidth(t.r.drawable(c.Text))
	if !c.numeric {
		width = min(width, bodyWidth*0.42)
	}
	return width
}

func (t *tableSheet) sum() float64 {
	sum := 0.0
	for _, w := range t.widths {
		sum += w
	}
	return sum
}

// fillWidth stretches the columns to the width of the sheet. When even the
// smallest font is too wide, all columns shrink and their texts are cut.
func (t *tableSheet) fillWidth() {
	slack := bodyWidth - t.sum()
	if slack < 0 {
		for i := range t.widths {
			t.widths[i] *= bodyWidth / (bodyWidth - slack)
		}
		return
	}
	for i := range t.widths {
		t.widths[i] += slack / float64(len(t.widths))
	}
}

func (t *tableSheet) header() {
	t.font("B", t.size-0.5, muted)
	lines := make([][]string, len(t.view.Columns))
	deepest := 1
	for i, c := range t.view.Columns {
		lines[i] = t.wrap(c.Title, t.widths[i]-2*cellPad)
		deepest = max(deepest, len(lines[i]))
	}
	height := float64(deepest)*tableLine + 2*rowPad
	t.room(height + 3*(tableLine+2*rowPad))
	t.font("B", t.size-0.5, muted)
	x := marginX
	for i, c := range t.view.Columns {
		top := t.y + rowPad + float64(deepest-len(lines[i]))*tableLine
		t.lines(x, top, t.widths[i], lines[i], c.numeric)
		x += t.widths[i]
	}
	t.y += height
	t.rule(marginX, t.y, marginX+bodyWidth, 0.3, axis.light)
}

// lines sets wrapped text in a cell that begins at x.
func (t *tableSheet) lines(x, top, width float64, lines []string, numeric bool) {
	for i, line := range lines {
		baseline := top + float64(i)*tableLine + tableLine*0.74
		if numeric {
			t.right(x+width-cellPad, baseline, width-cellPad, line)
		} else {
			t.left(x+cellPad, baseline, width-cellPad, line)
		}
	}
}

func (t *tableSheet) row(row []cellView, shaded bool) {
	t.font("", t.size, ink)
	lines, height := t.cellLines(row)
	if t.room(height) {
		t.header()
	}
	if shaded {
		t.fill("#f8fafd")
		t.pdf.Rect(marginX, t.y, bodyWidth, height, "F")
	}
	x := marginX
	for i, c := range row {
		t.font("", t.size, ink)
		if c.faint {
			t.font("", t.size, muted)
		}
		t.lines(x, t.y+rowPad, t.widths[i], lines[i], c.numeric)
		x += t.widths[i]
	}
	t.y += height
	t.rule(marginX, t.y, marginX+bodyWidth, 0.1, grid.light)
}

func (t *tableSheet) cellLines(row []cellView) (lines [][]string, height float64) {
	deepest := 1
	for i, c := range row {
		text := []string{c.Text}
		if !c.numeric {
			text = t.wrap(c.Text, t.widths[i]-2*cellPad)
		}
		if len(text) > maxCellLines {
			text = text[:maxCellLines]
			text[maxCellLines-1] = t.fit(text[maxCellLines-1]+" …", t.widths[i]-2*cellPad)
		}
		lines = append(lines, text)
		deepest = max(deepest, len(text))
	}
	return lines, float64(deepest)*tableLine + 2*rowPad
}

func (t *tableSheet) footer() {
	if t.view.Footer == nil {
		return
	}
	height := tableLine + 2*rowPad + 0.4
	if t.room(height) {
		t.header()
	}
	t.rule(marginX, t.y, marginX+bodyWidth, 0.4, axis.light)
	t.font("B", t.size, ink)
	x := marginX
	for i, c := range t.view.Footer {
		t.lines(x, t.y+rowPad+0.2, t.widths[i], []string{c.Text}, c.numeric)
		x += t.widths[i]
	}
	t.y += height
}

// wrap breaks text into lines no wider than width, at blanks where there are
// any and inside a word where it alone is too wide.
func (s *sheet) wrap(text string, width float64) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s.r.drawable(text)) {
		joined := strings.TrimSpace(line + " " + word)
		if s.pdf.GetStringWidth(joined) <= width {
			line = joined
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		var broken []string
		broken, line = s.breakWord(word, width)
		lines = append(lines, broken...)
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// breakWord cuts a word into full lines and what is left over.
func (s *sheet) breakWord(word string, width float64) (full []string, left string) {
	runes := []rune(word)
	start := 0
	for i := 1; i <= len(runes); i++ {
		if i-start > 1 && s.pdf.GetStringWidth(string(runes[start:i])) > width {
			full = append(full, string(runes[start:i-1]))
			start = i - 1
		}
	}
	return full, string(runes[start:])
}
