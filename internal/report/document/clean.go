package document

import (
	"strings"
	"unicode"
)

// Clean is s with a blank for each character that is not meant to be seen:
// control characters, and those that reorder the text around them.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Cleaned is a copy of the document with all of its texts clean. Renderers begin
// with it, so that no text can hide or reorder another, whoever wrote it.
func (d Document) Cleaned() Document {
	d.Title, d.Description, d.Tenant = Clean(d.Title), Clean(d.Description), Clean(d.Tenant)
	d.Range.TimeZone = Clean(d.Range.TimeZone)
	d.Notes = mapped(d.Notes, Clean)
	d.Tiles = mapped(d.Tiles, cleanTile)
	d.Sections = mapped(d.Sections, cleanSection)
	return d
}

func mapped[T any](list []T, clean func(T) T) []T {
	if list == nil {
		return nil
	}
	copied := make([]T, len(list))
	for i, item := range list {
		copied[i] = clean(item)
	}
	return copied
}

func cleanValue(v Value) Value {
	v.text = Clean(v.text)
	return v
}

func cleanRow(row []Value) []Value { return mapped(row, cleanValue) }

func cleanFormat(f Format) Format {
	f.Unit = Clean(f.Unit)
	return f
}

func cleanTile(t Tile) Tile {
	t.Label, t.Hint = Clean(t.Label), Clean(t.Hint)
	t.Value, t.Format = cleanValue(t.Value), cleanFormat(t.Format)
	return t
}

func cleanSection(s Section) Section {
	s.Title, s.Caption, s.Message = Clean(s.Title), Clean(s.Caption), Clean(s.Message)
	if s.Chart != nil {
		s.Chart = cleanChart(*s.Chart)
	}
	if s.Table != nil {
		s.Table = cleanTable(*s.Table)
	}
	return s
}

func cleanChart(c Chart) *Chart {
	c.Summary, c.Format = Clean(c.Summary), cleanFormat(c.Format)
	c.Categories = mapped(c.Categories, Clean)
	c.Series = mapped(c.Series, func(s Series) Series {
		s.Name = Clean(s.Name)
		return s
	})
	return &c
}

func cleanTable(t Table) *Table {
	t.Caption = Clean(t.Caption)
	t.Columns = mapped(t.Columns, func(c Column) Column {
		c.Title, c.Format = Clean(c.Title), cleanFormat(c.Format)
		return c
	})
	t.Rows = mapped(t.Rows, cleanRow)
	t.Footer = cleanRow(t.Footer)
	return &t
}
