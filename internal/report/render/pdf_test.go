package render_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/tandemq/tandem/internal/report/document"
)

var (
	pdfText   = regexp.MustCompile(`(?s)\(((?:\\.|[^\\()])*)\) ?Tj`)
	pdfEscape = strings.NewReplacer(`\\`, `\`, `\(`, `(`, `\)`, `)`, `\r`, "\r")
)

// pdfWords is all text that a PDF sets, line by line as it was set.
func pdfWords(t testing.TB, pdf []byte) string {
	t.Helper()
	var lines []string
	for before := range bytes.SplitSeq(pdf, []byte("\nendstream")) {
		_, stream, _ := bytes.Cut(before, []byte("\nstream\n"))
		for _, text := range pdfText.FindAllSubmatch(pageContent(stream), -1) {
			lines = append(lines, fromUTF16(pdfEscape.Replace(string(text[1]))))
		}
	}
	return strings.Join(lines, "\n")
}

// pageContent is what a stream holds when it sets text, and nothing when it is
// an image or a font.
func pageContent(stream []byte) []byte {
	reader, err := zlib.NewReader(bytes.NewReader(stream))
	if err != nil {
		return nil
	}
	content, err := io.ReadAll(reader)
	if err != nil || !bytes.Contains(content, []byte(" Tj ET")) {
		return nil
	}
	return content
}

func fromUTF16(s string) string {
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16([]byte(s[2*i:]))
	}
	return string(utf16.Decode(units))
}

func TestAPDFSaysTheNumbersOfTheDocument(t *testing.T) {
	for _, s := range makeSamples(t) {
		t.Run(s.name, func(t *testing.T) {
			body, err := renderer(t).PDF(s.doc)
			if err != nil {
				t.Fatal(err)
			}
			leave(t, s.name+".pdf", body)
			words := pdfWords(t, body)
			for _, tile := range s.doc.Tiles {
				if number := tile.Format.Bare(tile.Value); !strings.Contains(words, number) {
					t.Errorf("the tile %q with %q is missing", tile.Label, number)
				}
			}
			for _, section := range s.doc.Sections {
				checkTable(t, words, section.Table)
			}
			if s.doc.Empty && !strings.Contains(words, "Nothing happened in this range") {
				t.Error("an empty report does not say so")
			}
		})
	}
}

func checkTable(t *testing.T, words string, table *document.Table) {
	t.Helper()
	if table == nil {
		return
	}
	for _, row := range append(append([][]document.Value{}, table.Rows...), table.Footer) {
		for i, v := range row {
			if format := table.Columns[i].Format; format.Numeric() && !strings.Contains(words, format.Bare(v)) {
				t.Errorf("%s: %q is missing", table.Caption, format.Bare(v))
			}
		}
	}
}

func TestAPDFHasNoLinksScriptsOrFormsWhateverTheTextsSay(t *testing.T) {
	body, err := renderer(t).PDF(hostileSample().doc)
	if err != nil {
		t.Fatal(err)
	}
	leave(t, "hostile.pdf", body)
	for _, active := range []string{"/URI", "/JavaScript", "/JS", "/Launch", "/AcroForm", "/Type /EmbeddedFile", "/Annots"} {
		if bytes.Contains(body, []byte(active)) {
			t.Errorf("the pdf has %s", active)
		}
	}
	// The library always writes the tree of attached files. It has to be empty.
	if !regexp.MustCompile(`/EmbeddedFiles << /Names \[\s*\] >>`).Match(body) {
		t.Error("the pdf has files attached")
	}
}

// Several charts and fonts are in the document, whose order a map would shuffle:
// five renderings agree by chance once in a thousand times.
func TestTheSameDocumentMakesTheSameFiles(t *testing.T) {
	doc, r := hostileSample().doc, renderer(t)
	for name, draw := range map[string]func(document.Document) ([]byte, error){"html": r.HTML, "pdf": r.PDF, "json": r.JSON} {
		first, err := draw(doc)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			again, err := draw(doc)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, again) {
				t.Fatalf("two renderings as %s differ", name)
			}
		}
	}
}
