package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
)

// frame is what stands around the objects.
type frame struct{ open, between, close string }

var (
	jsonArray = frame{"[\n", ",\n", "\n]\n"}
	jsonLines = frame{"", "\n", "\n"}
)

// jsonEncoder writes an object per row, its members in the order of the
// columns and named as a query names them.
type jsonEncoder struct {
	w       *bufio.Writer
	columns []dataset.Column
	keys    [][]byte // `{"id":`, `,"name":`, …
	frame   frame
	rows    int64
	object  []byte
	text    bytes.Buffer
	escape  *json.Encoder // into text
}

func newJSON(w io.Writer, sheet export.Sheet, f frame) *jsonEncoder {
	j := &jsonEncoder{w: bufio.NewWriterSize(w, 64<<10), columns: sheet.Columns, frame: f}
	j.escape = json.NewEncoder(&j.text)
	j.escape.SetEscapeHTML(false)
	for i, column := range sheet.Columns {
		sign := ","
		if i == 0 {
			sign = "{"
		}
		j.keys = append(j.keys, []byte(sign+`"`+column.Name+`":`)) // names need no escape
	}
	return j
}

func (j *jsonEncoder) Write(row []any) error {
	lead := j.frame.between
	if j.rows == 0 {
		lead = j.frame.open
	}
	j.rows++
	j.object = append(j.object[:0], lead...)
	for i, value := range row {
		j.object = append(j.object, j.keys[i]...)
		if err := j.value(j.columns[i], value); err != nil {
			return err
		}
	}
	j.object = append(j.object, '}')
	_, err := j.w.Write(j.object)
	return err
}

func (j *jsonEncoder) value(column dataset.Column, value any) (err error) {
	switch column.Type {
	case dataset.Text:
		return j.string(value)
	case dataset.Timestamp, dataset.Date:
		return j.quoted(column, value)
	}
	if value == nil {
		j.object = append(j.object, "null"...)
		return nil
	}
	j.object, err = appendPlain(j.object, column, value, timeLayout)
	return err
}

// string escapes; nil is null to encoding/json as well.
func (j *jsonEncoder) string(value any) error {
	j.text.Reset()
	if err := j.escape.Encode(value); err != nil {
		return err
	}
	j.object = append(j.object, bytes.TrimRight(j.text.Bytes(), "\n")...)
	return nil
}

func (j *jsonEncoder) quoted(column dataset.Column, value any) (err error) {
	if value == nil {
		j.object = append(j.object, "null"...)
		return nil
	}
	j.object = append(j.object, '"')
	j.object, err = appendPlain(j.object, column, value, timeLayout)
	j.object = append(j.object, '"')
	return err
}

func (j *jsonEncoder) Finish() error {
	end := j.frame.close
	if j.rows == 0 {
		end = "" // no lines at all, or an empty array
		if j.frame == jsonArray {
			end = "[]\n"
		}
	}
	if _, err := j.w.WriteString(end); err != nil {
		return err
	}
	return j.w.Flush()
}

func (j *jsonEncoder) Close() error { return nil }
