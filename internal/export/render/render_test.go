package render_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/export/render"
	"github.com/tandemq/tandem/internal/jobs"
)

// made is when the test files are made.
var made = time.Date(2026, 11, 24, 15, 4, 5, 0, time.UTC)

var columns = []dataset.Column{
	{Name: "id", Label: "ID", Type: dataset.Integer},
	{Name: "name", Label: "Name", Type: dataset.Text},
	{Name: "amount", Label: "Amount", Type: dataset.Number},
	{Name: "gift", Label: "Gift", Type: dataset.Boolean},
	{Name: "placedAt", Label: "Placed at", Type: dataset.Timestamp},
	{Name: "due", Label: "Due", Type: dataset.Date},
}

var (
	placed = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	due    = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	rows   = [][]any{
		{int64(1), "Ann", 10.5, true, placed, due},
		{int64(-2), `a "quoted", comma` + "\nand a line", json.Number("12.30"), false, placed, due},
		{nil, nil, nil, nil, nil, nil},
		{int64(4), "=HYPERLINK(\"http://evil\")", -7.0, true, placed, due},
		{int64(5), "Zoë Ελλάδα Россия <b>&amp;", int64(3), false, placed, due},
	}
)

// encode makes a file of the rows.
func encode(t testing.TB, f export.Format, o render.Options, columns []dataset.Column, rows [][]any) []byte {
	t.Helper()
	var file bytes.Buffer
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	sheet := export.Sheet{Title: "Orders", Columns: columns, Total: int64(len(rows)), Made: made}
	encoder, err := render.Encoders(o)(f, &file, sheet)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := encoder.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := encoder.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func readCSV(t testing.TB, file []byte) [][]string {
	t.Helper()
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestCSVReadsBackAsTheRows(t *testing.T) {
	got := readCSV(t, encode(t, export.CSV, render.Options{}, columns, rows))
	want := [][]string{
		{"ID", "Name", "Amount", "Gift", "Placed at", "Due"},
		{"1", "Ann", "10.5", "true", "2026-01-02T03:04:05.678Z", "2026-12-01"},
		{"-2", "a \"quoted\", comma\nand a line", "12.30", "false", "2026-01-02T03:04:05.678Z", "2026-12-01"},
		{"", "", "", "", "", ""},
		{"4", "'=HYPERLINK(\"http://evil\")", "-7", "true", "2026-01-02T03:04:05.678Z", "2026-12-01"},
		{"5", "Zoë Ελλάδα Россия <b>&amp;", "3", "false", "2026-01-02T03:04:05.678Z", "2026-12-01"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestCSVKeepsEveryByteOfAText(t *testing.T) {
	text := []dataset.Column{{Name: "a", Label: "A", Type: dataset.Text}, {Name: "b", Label: "B", Type: dataset.Text}}
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "x", "x"},
		{"empty is not null", "", `""`},
		{"comma", "a,b", `"a,b"`},
		{"quote", `a"b`, `"a""b"`},
		{"LF stays LF", "a\nb", "\"a\nb\""},
		{"CRLF stays CRLF", "a\r\nb", "\"a\r\nb\""},
		{"CR stays CR", "a\rb", "\"a\rb\""},
		{"spaces at the ends", " a ", `" a "`},
		{"NUL", "a\x00b", "a\x00b"},
		{"formula", "=1+1", "'=1+1"},
		{"plus", "+49 30", "'+49 30"},
		{"minus", "-1", "'-1"},
		{"at", "@SUM(A1)", "'@SUM(A1)"},
		{"tab", "\t=1", "'\t=1"},
		{"CR first", "\r=1", "\"'\r=1\""},
		{"LF first", "\n=1", "\"'\n=1\""},
		{"full width", "＝1", "'＝1"},
		{"formula with a comma", "=A(1,2)", `"'=A(1,2)"`},
		{"equals inside", "a=1", "a=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(encode(t, export.CSV, render.Options{}, text, [][]any{{tt.in, "z"}}))
			if want := "A,B\r\n" + tt.want + ",z\r\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestCSVOfOneColumnHasNoBlankLines(t *testing.T) {
	one := []dataset.Column{{Name: "a", Label: "A", Type: dataset.Text}}
	got := readCSV(t, encode(t, export.CSV, render.Options{}, one, [][]any{{nil}, {"x"}, {""}}))
	if diff := cmp.Diff([][]string{{"A"}, {""}, {"x"}, {""}}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestCSVMayBeginWithAByteOrderMark(t *testing.T) {
	with := encode(t, export.CSV, render.Options{CSVByteOrderMark: true}, columns, nil)
	if want := "\uFEFFID,Name,Amount,Gift,Placed at,Due\r\n"; string(with) != want {
		t.Errorf("got %q, want %q", with, want)
	}
}

func FuzzCSV(f *testing.F) {
	f.Add("=1", "a\r\nb")
	f.Add("", "\"\"")
	text := []dataset.Column{{Name: "a", Label: "A", Type: dataset.Text}, {Name: "b", Label: "B", Type: dataset.Text}}
	f.Fuzz(func(t *testing.T, a, b string) {
		records := readCSV(t, encode(t, export.CSV, render.Options{TempDir: "."}, text, [][]any{{a, b}}))
		if len(records) != 2 {
			t.Fatalf("%d records", len(records))
		}
		for i, in := range []string{a, b} {
			got := records[1][i]
			if got != "" && strings.ContainsRune("=+-@\t\r\n", rune(got[0])) {
				t.Errorf("cell begins like a formula: %q", got)
			}
			in = strings.ReplaceAll(in, "\r\n", "\n") // the reader does this
			if got != in && got != "'"+in {
				t.Errorf("got %q, want %q", got, in)
			}
		}
	})
}

func TestXLSXReadsBackAsTheRows(t *testing.T) {
	file := encode(t, export.XLSX, render.Options{}, columns, rows)
	book := openBook(t, file)
	got, err := book.GetRows("Orders")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"ID", "Name", "Amount", "Gift", "Placed at", "Due"},
		{"1", "Ann", "10.50", "TRUE", "2026-01-02 03:04:06", "2026-12-01"},
		{"-2", "a \"quoted\", comma\nand a line", "12.30", "FALSE", "2026-01-02 03:04:06", "2026-12-01"},
		nil,
		{"4", "=HYPERLINK(\"http://evil\")", "-7.00", "TRUE", "2026-01-02 03:04:06", "2026-12-01"},
		{"5", "Zoë Ελλάδα Россия <b>&amp;", "3.00", "FALSE", "2026-01-02 03:04:06", "2026-12-01"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func openBook(t testing.TB, file []byte) *excelize.File {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = book.Close() })
	return book
}

func TestXLSXCellsHaveTypesAndNoFormulas(t *testing.T) {
	book := openBook(t, encode(t, export.XLSX, render.Options{}, columns, rows))
	for cell, want := range map[string]excelize.CellType{
		"A2": excelize.CellTypeUnset, "B2": excelize.CellTypeInlineString, "C2": excelize.CellTypeUnset,
		"D2": excelize.CellTypeBool, "E2": excelize.CellTypeUnset, "B5": excelize.CellTypeInlineString,
	} {
		if got, err := book.GetCellType("Orders", cell); err != nil || got != want {
			t.Errorf("type of %s = %v, %v; want %v", cell, got, err, want)
		}
	}
	if formula, err := book.GetCellFormula("Orders", "B5"); err != nil || formula != "" {
		t.Errorf("B5 has the formula %q, %v", formula, err)
	}
	if raw, err := book.GetCellValue("Orders", "C5", excelize.Options{RawCellValue: true}); err != nil || raw != "-7" {
		t.Errorf("C5 = %q, %v", raw, err)
	}
}

func TestXLSXHasAFrozenStyledHeading(t *testing.T) {
	book := openBook(t, encode(t, export.XLSX, render.Options{}, columns, rows))
	panes, err := book.GetPanes("Orders")
	if err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("panes = %+v, %v", panes, err)
	}
	id, err := book.GetCellStyle("Orders", "A1")
	if err != nil {
		t.Fatal(err)
	}
	if style, err := book.GetStyle(id); err != nil || !style.Font.Bold || len(style.Fill.Color) == 0 {
		t.Errorf("style of the heading = %+v, %v", style, err)
	}
	for column, want := range map[string]float64{"A": 12, "B": 28, "E": 20} {
		if got, err := book.GetColWidth("Orders", column); err != nil || got != want {
			t.Errorf("width of %s = %v, %v; want %v", column, got, err, want)
		}
	}
}

func TestXLSXGoesOnInFurtherSheets(t *testing.T) {
	var many [][]any
	for i := range 7 {
		many = append(many, []any{int64(i)})
	}
	book := openBook(t, encode(t, export.XLSX, render.Options{SheetRows: 4}, columns[:1], many))
	var got [][][]string
	for _, name := range book.GetSheetList() {
		sheet, err := book.GetRows(name)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, append([][]string{{name}}, sheet...))
	}
	want := [][][]string{
		{{"Orders"}, {"ID"}, {"0"}, {"1"}, {"2"}},
		{{"Orders (2)"}, {"ID"}, {"3"}, {"4"}, {"5"}},
		{{"Orders (3)"}, {"ID"}, {"6"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sheets (-want +got):\n%s", diff)
	}
}

func TestXLSXKeepsTheDigitsThatASpreadsheetWouldLose(t *testing.T) {
	numbers := []dataset.Column{columns[0], columns[2]}
	book := openBook(t, encode(t, export.XLSX, render.Options{}, numbers, [][]any{
		{int64(9007199254740993), json.Number("123456789012345.678")},
		{int64(123456789012345), json.Number("1234567890.12")},
	}))
	got, err := book.GetRows("Orders", excelize.Options{RawCellValue: true})
	want := [][]string{{"ID", "Amount"}, {"9007199254740993", "123456789012345.678"}, {"123456789012345", "1234567890.12"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("rows, %v (-want +got):\n%s", err, diff)
	}
}

func TestXLSXKeepsALongTextWholeOrSaysThatItCannot(t *testing.T) {
	one := []dataset.Column{{Name: "note", Label: "Note", Type: dataset.Text}}
	for _, text := range []string{strings.Repeat("x", 32767), strings.Repeat("ü", 32767), strings.Repeat("😀", 16383) + "x"} {
		book := openBook(t, encode(t, export.XLSX, render.Options{}, one, [][]any{{text}}))
		if got, err := book.GetCellValue("Orders", "A2"); err != nil || got != text {
			t.Errorf("%.4s…: %d bytes of %d came back, %v", text, len(got), len(text), err)
		}
		encoder, err := render.Encoders(render.Options{TempDir: t.TempDir()})(export.XLSX, io.Discard, export.Sheet{Columns: one})
		if err != nil {
			t.Fatal(err)
		}
		defer encoder.Close()
		err = encoder.Write([]any{text + "x"})
		if !errors.Is(err, export.ErrTextTooLong) || !jobs.IsUnrecoverable(err) || !strings.Contains(err.Error(), "note") {
			t.Errorf("%.4s… and one more: %v", text, err)
		}
	}
}

func TestXLSXSheetNamesFitExcel(t *testing.T) {
	for _, title := range []string{"a/b:c*?[]", strings.Repeat("long ", 20), "'quoted'", "", "Zoë"} {
		var file bytes.Buffer
		encoder, err := render.Encoders(render.Options{SheetRows: 2, TempDir: t.TempDir()})(export.XLSX, &file,
			export.Sheet{Title: title, Columns: columns[:1], Made: made})
		if err != nil {
			t.Fatalf("%q: %v", title, err)
		}
		for range 3 {
			if err := encoder.Write([]any{int64(1)}); err != nil {
				t.Errorf("%q: %v", title, err)
			}
		}
		if err := encoder.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestJSONReadsBackAsTheRows(t *testing.T) {
	file := encode(t, export.JSON, render.Options{}, columns, rows)
	var got []map[string]any
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.UseNumber()
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, file)
	}
	if diff := cmp.Diff(wantObjects(), got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func TestNDJSONReadsBackAsTheRows(t *testing.T) {
	file := encode(t, export.NDJSON, render.Options{}, columns, rows)
	var got []map[string]any
	for line := range strings.Lines(string(file)) {
		object := map[string]any{}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&object); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		got = append(got, object)
	}
	if diff := cmp.Diff(wantObjects(), got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func wantObjects() []map[string]any {
	object := func(id, name, amount, gift any) map[string]any {
		return map[string]any{"id": id, "name": name, "amount": amount, "gift": gift, "placedAt": "2026-01-02T03:04:05.678Z", "due": "2026-12-01"}
	}
	return []map[string]any{
		object(json.Number("1"), "Ann", json.Number("10.5"), true),
		object(json.Number("-2"), "a \"quoted\", comma\nand a line", json.Number("12.30"), false),
		{"id": nil, "name": nil, "amount": nil, "gift": nil, "placedAt": nil, "due": nil},
		object(json.Number("4"), "=HYPERLINK(\"http://evil\")", json.Number("-7"), true),
		object(json.Number("5"), "Zoë Ελλάδα Россия <b>&amp;", json.Number("3"), false),
	}
}

func TestNoRowsMakeAValidFile(t *testing.T) {
	for f, want := range map[export.Format]string{
		export.CSV: "ID,Name,Amount,Gift,Placed at,Due\r\n", export.JSON: "[]\n", export.NDJSON: "",
	} {
		if got := string(encode(t, f, render.Options{}, columns, nil)); got != want {
			t.Errorf("%s: %q, want %q", f, got, want)
		}
	}
	book := openBook(t, encode(t, export.XLSX, render.Options{}, columns, nil))
	if got, err := book.GetRows("Orders"); err != nil || len(got) != 1 {
		t.Errorf("xlsx: %q, %v", got, err)
	}
}

func TestAValueOfAnUnknownTypeIsAnError(t *testing.T) {
	for _, f := range []export.Format{export.CSV, export.JSON, export.PDF} {
		encoder, err := render.Encoders(render.Options{})(f, io.Discard, export.Sheet{Columns: columns[:1]})
		if err != nil {
			t.Fatal(err)
		}
		if err := encoder.Write([]any{struct{}{}}); err == nil || !strings.Contains(err.Error(), "column id") {
			t.Errorf("%s: %v, want an error that names the column", f, err)
		}
	}
}

func TestAnUnknownFormatIsAnError(t *testing.T) {
	if _, err := render.Encoders(render.Options{})("xml", io.Discard, export.Sheet{}); err == nil {
		t.Error("there is an encoder for xml")
	}
}

// failing is a disk that is full after some bytes.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = fmt.Errorf("disk full")

func TestAWriteErrorIsNotLost(t *testing.T) {
	for _, f := range export.Formats() {
		t.Run(string(f), func(t *testing.T) {
			encoder, err := render.Encoders(render.Options{TempDir: t.TempDir()})(f, &failing{left: 10}, export.Sheet{Title: "x", Columns: columns, Made: made})
			if err != nil {
				t.Fatal(err)
			}
			defer encoder.Close()
			if err := encoder.Write(rows[0]); err == nil {
				err = encoder.Finish()
				if err == nil || !strings.Contains(err.Error(), errFull.Error()) {
					t.Errorf("Finish = %v, want %v", err, errFull)
				}
			}
		})
	}
}
