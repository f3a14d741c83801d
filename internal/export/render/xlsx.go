package render

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs"
)

// xlsxEncoder streams rows into sheets. A sheet that has more than 16 MiB grows
// in a temporary file, and the archive is written straight to w, so memory does
// not grow with the rows. Texts are string cells, which no spreadsheet runs.
type xlsxEncoder struct {
	w       io.Writer
	sheet   export.Sheet
	limit   int // rows of a sheet, its heading included
	file    *excelize.File
	stream  *excelize.StreamWriter
	sheets  int
	row     int // of the current sheet, from 1
	cells   []any
	styles  map[dataset.Type]int
	heading int
}

func newXLSX(w io.Writer, sheet export.Sheet, o Options) (*xlsxEncoder, error) {
	x := &xlsxEncoder{
		w: w, sheet: sheet, limit: o.SheetRows, cells: make([]any, len(sheet.Columns)),
		file: excelize.NewFile(excelize.Options{TmpDir: o.TempDir}),
	}
	if x.limit == 0 {
		x.limit = excelize.TotalRows
	}
	err := x.prepare()
	if err == nil {
		err = x.nextSheet()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("xlsx: %w", err), x.Close())
	}
	return x, nil
}

// formats are how a spreadsheet shows the cells of a column.
var formats = map[dataset.Type]string{
	dataset.Integer:   "0",
	dataset.Number:    "#,##0.00######",
	dataset.Timestamp: "yyyy-mm-dd hh:mm:ss",
	dataset.Date:      "yyyy-mm-dd",
}

func (x *xlsxEncoder) prepare() error {
	if err := x.makeStyles(); err != nil {
		return err
	}
	return x.file.SetDocProps(&excelize.DocProperties{
		Title: x.sheet.Title, Creator: "Tandem", Created: x.sheet.Made.Format(time.RFC3339),
	})
}

func (x *xlsxEncoder) makeStyles() (err error) {
	x.styles = map[dataset.Type]int{}
	for _, column := range x.sheet.Columns {
		format, ok := formats[column.Type]
		if _, made := x.styles[column.Type]; made || !ok {
			continue
		}
		if x.styles[column.Type], err = x.file.NewStyle(&excelize.Style{CustomNumFmt: &format}); err != nil {
			return err
		}
	}
	x.heading, err = x.file.NewStyle(&excelize.Style{
		Font:      &excelize.Font{Bold: true, Color: "FFFFFF"},
		Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"1F3A5F"}},
		Alignment: &excelize.Alignment{Vertical: "center"},
	})
	return err
}

// nextSheet finishes the current sheet and starts another with its heading.
func (x *xlsxEncoder) nextSheet() error {
	if err := x.endSheet(); err != nil {
		return err
	}
	x.sheets++
	name := sheetName(x.sheet.Title, x.sheets)
	if err := x.addSheet(name); err != nil {
		return err
	}
	stream, err := x.file.NewStreamWriter(name)
	if err != nil {
		return err
	}
	x.stream, x.row = stream, 0
	if err := x.layOut(); err != nil {
		return err
	}
	return x.writeHeading()
}

func (x *xlsxEncoder) addSheet(name string) error {
	if x.sheets == 1 {
		return x.file.SetSheetName(x.file.GetSheetName(0), name)
	}
	_, err := x.file.NewSheet(name)
	return err
}

func (x *xlsxEncoder) endSheet() error {
	if x.stream == nil {
		return nil
	}
	return x.stream.Flush()
}

// sheetName fits Excel's rules: 31 characters, some of them forbidden.
func sheetName(title string, number int) string {
	suffix := ""
	if number > 1 {
		suffix = " (" + strconv.Itoa(number) + ")"
	}
	name := strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]`, r) || r < ' ' || r > 0xFFFF {
			return '-'
		}
		return r
	}, title), "' ")
	if name == "" {
		name = "Rows"
	}
	runes := []rune(name)
	return string(runes[:min(len(runes), 31-len(suffix))]) + suffix
}

// layOut sets what has to come before the first row of a stream.
func (x *xlsxEncoder) layOut() error {
	for i, column := range x.sheet.Columns {
		if err := x.stream.SetColWidth(i+1, i+1, columnWidth(column)); err != nil {
			return err
		}
	}
	return x.stream.SetPanes(&excelize.Panes{
		Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft",
	})
}

// columnWidth is in characters. Rows are not known yet when it is set.
func columnWidth(column dataset.Column) float64 {
	width := map[dataset.Type]int{
		dataset.Text: 28, dataset.Integer: 12, dataset.Number: 15,
		dataset.Boolean: 10, dataset.Timestamp: 20, dataset.Date: 12,
	}[column.Type]
	return float64(min(max(width, utf8.RuneCountInString(column.Label)+3), 60))
}

func (x *xlsxEncoder) writeHeading() error {
	for i, column := range x.sheet.Columns {
		x.cells[i] = excelize.Cell{StyleID: x.heading, Value: column.Label}
	}
	return x.put(excelize.RowOpts{Height: 20})
}

func (x *xlsxEncoder) put(options ...excelize.RowOpts) error {
	x.row++
	return x.stream.SetRow("A"+strconv.Itoa(x.row), x.cells, options...)
}

func (x *xlsxEncoder) Write(row []any) error {
	if x.row == x.limit {
		if err := x.nextSheet(); err != nil {
			return fmt.Errorf("xlsx: %w", err)
		}
	}
	for i, value := range row {
		if text, ok := value.(string); ok && !fitsCell(text) {
			return tooLong(x.sheet.Columns[i])
		}
		x.cells[i] = x.cell(x.sheet.Columns[i], value)
	}
	if x.sheet.Take != nil {
		if err := x.sheet.Take(unpacked(x.cells)); err != nil {
			return fmt.Errorf("xlsx: %w", err)
		}
	}
	if err := x.put(); err != nil {
		return fmt.Errorf("xlsx: %w", err)
	}
	return nil
}

// unpacked is about what a row takes in its sheet, which grows as XML until the
// archive is written: the markup of each cell, and the text with its escapes.
func unpacked(cells []any) int64 {
	size := int64(rowMarkup)
	for _, cell := range cells {
		if cell == nil {
			continue
		}
		size += cellMarkup
		if text, ok := cell.(string); ok {
			size += int64(len(text))
			for _, escaped := range `&<>"'` {
				size += int64(4 * strings.Count(text, string(escaped)))
			}
		}
	}
	return size
}

// rowMarkup and cellMarkup are <row r="1048576"></row> and
// <c r="AB1048576" t="inlineStr"><is><t xml:space="preserve"></t></is></c>; a
// number and its style take less.
const (
	rowMarkup  = 24
	cellMarkup = 72
)

// fitsCell reports whether a cell takes a text: the library would cut it where
// Excel's limit is, which counts in units of UTF-16.
func fitsCell(text string) bool {
	if len(text) <= excelize.TotalCellChars {
		return true
	}
	units := 0
	for _, r := range text {
		units += utf16.RuneLen(r)
	}
	return units <= excelize.TotalCellChars
}

func tooLong(column dataset.Column) error {
	return jobs.Unrecoverable(fmt.Errorf("%w: %s has one of more than %d characters, which no xlsx cell takes; "+
		"leave the column out, or choose csv, json or ndjson", export.ErrTextTooLong, column.Name, excelize.TotalCellChars))
}

// cell gives a value its style. A number that a spreadsheet, which counts in
// floating point, would change stays a text with all its digits.
func (x *xlsxEncoder) cell(column dataset.Column, value any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case string, bool:
		return v
	case int64:
		if v > 1e15 || v < -1e15 {
			return strconv.FormatInt(v, 10)
		}
	case json.Number:
		f, ok := exactFloat(v.String())
		if !ok {
			return v.String()
		}
		value = f
	case time.Time:
		if v.Year() < 1900 { // before a spreadsheet's first day
			return earlyTime(column, v)
		}
	}
	return excelize.Cell{StyleID: x.styles[column.Type], Value: value}
}

func earlyTime(column dataset.Column, v time.Time) string {
	if column.Type == dataset.Date {
		return v.Format(time.DateOnly)
	}
	return v.Format(timeLayout)
}

// exactFloat reads a decimal of at most 15 digits, which a float64 keeps.
func exactFloat(text string) (float64, bool) {
	digits := 0
	for _, r := range strings.TrimLeft(text, "-0.") {
		if r == 'e' || r == 'E' {
			return 0, false
		}
		if r != '.' {
			digits++
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && digits <= 15
}

// Finish writes the archive. The library would collect it in memory, but asks
// its ZipWriter for the writer to use, and is given w here.
func (x *xlsxEncoder) Finish() error {
	if err := x.endSheet(); err != nil {
		return fmt.Errorf("xlsx: %w", err)
	}
	x.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(x.w) })
	if _, err := x.file.WriteToBuffer(); err != nil {
		return fmt.Errorf("xlsx: %w", err)
	}
	return nil
}

// Close removes the temporary files of the sheets.
func (x *xlsxEncoder) Close() error { return x.file.Close() }
