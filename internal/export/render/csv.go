package render

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
)

// csvEncoder writes RFC 4180: CRLF after each record, quotes where needed.
//
// It does not use encoding/csv, whose writer changes what it is given when it
// writes CRLF: a line break inside a cell becomes another one and a single CR
// disappears. This one keeps every byte, and allocates nothing per row.
type csvEncoder struct {
	w       *bufio.Writer
	columns []dataset.Column
	record  []byte
	cell    []byte
}

const byteOrderMark = "\uFEFF"

func newCSV(w io.Writer, sheet export.Sheet, mark bool) *csvEncoder {
	c := &csvEncoder{w: bufio.NewWriterSize(w, 64<<10), columns: sheet.Columns}
	if mark {
		c.record = append(c.record, byteOrderMark...)
	}
	for i, column := range sheet.Columns {
		c.separate(i)
		c.text([]byte(column.Label))
	}
	c.record = append(c.record, "\r\n"...) // goes out with the first row, or Finish
	return c
}

func (c *csvEncoder) Write(row []any) error {
	for i, value := range row {
		c.separate(i)
		if err := c.value(c.columns[i], value); err != nil {
			return err
		}
	}
	if len(row) == 1 && row[0] == nil {
		c.record = append(c.record, `""`...) // a blank line would be skipped by readers
	}
	c.record = append(c.record, "\r\n"...)
	return c.flushRecord()
}

func (c *csvEncoder) separate(i int) {
	if i > 0 {
		c.record = append(c.record, ',')
	}
}

// value writes text guarded and quoted; everything else has only harmless
// characters, and stays as it is so that numbers stay numbers.
func (c *csvEncoder) value(column dataset.Column, value any) (err error) {
	if text, ok := value.(string); ok {
		c.cell = append(c.cell[:0], text...)
		c.text(c.cell)
		return nil
	}
	c.record, err = appendPlain(c.record, column, value, timeLayout)
	return err
}

func (c *csvEncoder) text(text []byte) {
	quote := len(text) == 0 || bytes.ContainsAny(text, "\",\r\n") || text[0] == ' ' || text[len(text)-1] == ' '
	if quote {
		c.record = append(c.record, '"')
	}
	if startsFormula(text) {
		c.record = append(c.record, '\'')
	}
	for _, b := range text {
		if b == '"' {
			c.record = append(c.record, '"')
		}
		c.record = append(c.record, b)
	}
	if quote {
		c.record = append(c.record, '"')
	}
}

// startsFormula reports whether a spreadsheet might run a cell instead of
// showing it: the list of OWASP, with the full-width signs that some locales
// treat alike.
func startsFormula(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	if strings.IndexByte("=+-@\t\r\n", text[0]) >= 0 {
		return true
	}
	for _, wide := range []string{"＝", "＋", "－", "＠"} {
		if bytes.HasPrefix(text, []byte(wide)) {
			return true
		}
	}
	return false
}

func (c *csvEncoder) flushRecord() error {
	_, err := c.w.Write(c.record)
	c.record = c.record[:0]
	return err
}

func (c *csvEncoder) Finish() error {
	if err := c.flushRecord(); err != nil {
		return err
	}
	return c.w.Flush()
}

func (c *csvEncoder) Close() error { return nil }
