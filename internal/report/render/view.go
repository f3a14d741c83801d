package render

import (
	"strings"

	"github.com/tandemq/tandem/internal/report/document"
)

// heading is what stands around the numbers, the same on every kind of page.
type heading struct {
	Title, Description, Tenant string
	Range, RangeNote           string
	Empty                      bool
	EmptyTitle, EmptyText      string
	Notes                      []string
	Made                       string
}

func headingOf(doc document.Document) heading {
	return heading{
		Title: doc.Title, Description: doc.Description, Tenant: doc.Tenant,
		Range: doc.Range.String(), RangeNote: rangeNote(doc.Range),
		Empty:      doc.Empty,
		EmptyTitle: "Nothing happened in this range",
		EmptyText:  "There is no data for " + doc.Tenant + " from " + doc.Range.String() + ". The report is complete: there was nothing to count.",
		Notes:      notesOf(doc),
		Made:       "Made on " + doc.GeneratedAt.UTC().Format("2 January 2006 at 15:04") + " UTC.",
	}
}

// notesOf are the document's notes, and what the arrows on its tiles mean.
func notesOf(doc document.Document) []string {
	for _, t := range doc.Tiles {
		if changeOf(t) != nil {
			return append([]string{"▲ and ▼ compare with the range of the same length just before."}, doc.Notes...)
		}
	}
	return doc.Notes
}

func rangeNote(r document.Range) string {
	days := document.Format{Kind: document.Count}.Show(document.Number(r.Days)) + " days"
	if r.Days == 1 {
		days = "1 day"
	}
	return days + " · " + strings.ReplaceAll(r.TimeZone, "_", " ") + " time"
}

// tile is a headline number as text.
type tile struct {
	Label, Value, Unit, Hint string
	Change                   *change
}

// change is how a number differs from the range before.
type change struct{ Text, Arrow, Tone string }

func tilesOf(list []document.Tile) []tile {
	tiles := make([]tile, len(list))
	for i, t := range list {
		tiles[i] = tile{Label: t.Label, Value: t.Format.Bare(t.Value), Hint: t.Hint, Change: changeOf(t)}
		if !t.Value.IsNone() {
			tiles[i].Unit = t.Format.Unit
		}
	}
	return tiles
}

func changeOf(t document.Tile) *change {
	text := t.Format.Change(t.Value, t.Previous)
	if text == "" {
		return nil
	}
	moved, arrow := document.Up, "▲"
	if !strings.HasPrefix(text, "+") {
		moved, arrow = document.Down, "▼"
	}
	tone := "calm"
	switch {
	case t.Better == document.Neither:
	case t.Better == moved:
		tone = "good"
	default:
		tone = "bad"
	}
	return &change{Text: text, Arrow: arrow, Tone: tone}
}

// legendEntry is one colour with its meaning.
type legendEntry struct {
	Name   string
	Colour string // the name of a role
	paint  colour
}

// legendOf is empty for a chart whose one series the heading already names.
func legendOf(c *document.Chart) []legendEntry {
	if len(c.Series) < 2 {
		return nil
	}
	colours := coloursOf(c.Series)
	list := make([]legendEntry, len(c.Series))
	for i, s := range c.Series {
		list[i] = legendEntry{Name: s.Name, Colour: colours[i].name, paint: colours[i]}
	}
	return list
}

// tableView is a table as text.
type tableView struct {
	Caption string
	Columns []columnView
	Rows    [][]cellView
	Footer  []cellView
}

type columnView struct {
	Title, Class string
	numeric      bool
}

type cellView struct {
	Text, Class string
	Heads       bool // it names its row
	numeric     bool
	faint       bool // a zero or a gap, which the eye may skip
}

func tableOf(t *document.Table) *tableView {
	g := &tableView{Caption: t.Caption}
	for _, c := range t.Columns {
		title := c.Title
		if c.Format.Unit != "" {
			title += " (" + c.Format.Unit + ")"
		}
		g.Columns = append(g.Columns, columnView{Title: title, Class: classOf(c.Format, false), numeric: c.Format.Numeric()})
	}
	for _, row := range t.Rows {
		g.Rows = append(g.Rows, cellsOf(t.Columns, row))
	}
	if t.Footer != nil {
		g.Footer = cellsOf(t.Columns, t.Footer)
	}
	return g
}

func cellsOf(columns []document.Column, row []document.Value) []cellView {
	cells := make([]cellView, len(row))
	for i, v := range row {
		format := columns[i].Format
		n, isNumber := v.Float()
		faint := v.IsNone() || isNumber && n == 0
		cells[i] = cellView{
			Text: format.Bare(v), Class: classOf(format, faint),
			Heads: i == 0, numeric: format.Numeric(), faint: faint,
		}
	}
	return cells
}

func classOf(f document.Format, faint bool) string {
	var class []string
	switch {
	case f.Numeric():
		class = append(class, "n")
	case f.Kind == document.Date || f.Kind == document.MonthOf:
		class = append(class, "d")
	}
	if faint {
		class = append(class, "zero")
	}
	return strings.Join(class, " ")
}
