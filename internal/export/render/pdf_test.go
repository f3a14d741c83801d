package render_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/export/render"
)

// pdfText is what a reader of the file sees, page by page. Without pdftotext
// only the structure is checked and the test skipped, but in CI it fails.
func pdfText(t testing.TB, file []byte) (pages []string) {
	t.Helper()
	checkStructure(t, file)
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("pdftotext of poppler-utils is not installed")
		}
		t.Skip("skipped, pdftotext of poppler-utils is not installed: only the structure of the file was checked")
	}
	command := exec.CommandContext(t.Context(), tool, "-layout", "-", "-")
	command.Stdin = bytes.NewReader(file)
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\f"), "\f")
}

func checkStructure(t testing.TB, file []byte) {
	t.Helper()
	if !bytes.HasPrefix(file, []byte("%PDF-1.")) || !bytes.HasSuffix(bytes.TrimSpace(file), []byte("%%EOF")) {
		t.Fatalf("not a PDF file: %.20q … %q", file, file[max(0, len(file)-10):])
	}
	if !bytes.Contains(file, []byte("/FontFile2")) {
		t.Error("no font is embedded")
	}
}

func pageCount(file []byte) int { return len(regexp.MustCompile(`/Type /Page\b`).FindAll(file, -1)) }

// words squeezes the layout out of a text.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestPDFShowsTheRows(t *testing.T) {
	pages := pdfText(t, encode(t, export.PDF, render.Options{}, columns, rows))
	got := words(strings.Join(pages, " "))
	for _, want := range []string{
		"Orders", "5 rows · made 2026-11-24 15:04 UTC",
		"ID Name Amount Gift Placed at Due",
		"1 Ann 10.5 true 2026-01-02 03:04:05 2026-12-01",
		`-2 a "quoted", comma 12.30 false 2026-01-02 03:04:05 2026-12-01`,
		"– – – – – –",
		`4 =HYPERLINK("http://evil") -7 true`,
		"5 Zoë Ελλάδα Россия <b>&amp; 3 false",
		"Page 1 of 1",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestPDFRepeatsTheHeadingAndNumbersThePages(t *testing.T) {
	var many [][]any
	for i := range 450 {
		many = append(many, []any{int64(i), fmt.Sprintf("row-%d", i), 1.5, true, placed, due})
	}
	file := encode(t, export.PDF, render.Options{}, columns, many)
	pages := pdfText(t, file)
	if len(pages) != pageCount(file) || len(pages) < 5 {
		t.Fatalf("%d pages of text, %d in the file", len(pages), pageCount(file))
	}
	var seen []string
	for i, page := range pages {
		if footer := fmt.Sprintf("Page %d of %d", i+1, len(pages)); !strings.Contains(page, footer) || !strings.Contains(words(page), "ID Name Amount") {
			t.Errorf("page %d lacks its heading or %q:\n%s", i+1, footer, page)
		}
		seen = append(seen, regexp.MustCompile(`row-\d+`).FindAllString(page, -1)...)
	}
	var want []string
	for i := range many {
		want = append(want, fmt.Sprintf("row-%d", i))
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestPDFWithoutRowsSaysSo(t *testing.T) {
	pages := pdfText(t, encode(t, export.PDF, render.Options{}, columns, nil))
	if !strings.Contains(strings.Join(pages, ""), "No rows match the query.") {
		t.Errorf("got %q", pages)
	}
}

func TestPDFSurvivesEveryText(t *testing.T) {
	text := []dataset.Column{{Name: "a", Label: "Ünïcode 🎉 {nb}", Type: dataset.Text}}
	odd := []string{"", " ", "\n\n", "\r\n", "😀 beyond the basic plane", "漢字", "a\x00b\x7f", "\uFFFF\uFFFE", "(paren) \\ back",
		"{nb}", strings.Repeat("x", 5000), strings.Repeat("word ", 1000), "\u202Eright to left"}
	var many [][]any
	for _, s := range odd {
		many = append(many, []any{s})
	}
	pages := pdfText(t, encode(t, export.PDF, render.Options{}, text, many))
	got := strings.Join(pages, "")
	for _, want := range []string{"beyond the basic plane", "(paren) \\ back", "{nb}", "…"} {
		if !strings.Contains(got, want) {
			t.Errorf("missing: %s\n%s", want, got)
		}
	}
}

func TestPDFFitsManyColumns(t *testing.T) {
	var wide []dataset.Column
	var row []any
	for i := range 24 {
		wide = append(wide, dataset.Column{Name: fmt.Sprint("c", i), Label: fmt.Sprint("Column ", i), Type: dataset.Text})
		row = append(row, fmt.Sprint("value ", i))
	}
	pages := pdfText(t, encode(t, export.PDF, render.Options{}, wide, [][]any{row}))
	if !strings.Contains(words(strings.Join(pages, "")), "23") {
		t.Errorf("the last column is missing: %s", pages)
	}
}

func TestEqualRowsMakeEqualPDFs(t *testing.T) {
	a := encode(t, export.PDF, render.Options{}, columns, rows)
	b := encode(t, export.PDF, render.Options{}, columns, rows)
	if !bytes.Equal(a, b) {
		t.Error("two files of the same rows differ")
	}
}
