// Package render turns a document into files: a page for the browser, a PDF to
// send, and the numbers as JSON.
//
// The three say the same. Charts are drawn once for both pages: as inline SVG
// whose colours are classes, so that the page can go dark, and as PNG for the
// PDF. Text in a document is hostile until it is drawn: html/template escapes
// it, the SVG is rebuilt from an allow-list, and nothing becomes a link.
package render

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"

	"github.com/golang/freetype/truetype"

	"github.com/tandemq/tandem/internal/report/document"
)

// Renderer draws documents. It may be used by many goroutines at once.
type Renderer struct {
	page *template.Template
	font *truetype.Font // of charts
	wide *truetype.Font // a wider one, to leave room for a browser's own
	// Bytes of the fonts that a PDF embeds the used glyphs of.
	regular, bold []byte
}

//go:embed fonts/DejaVuSansCondensed.ttf
var regularFont []byte

//go:embed fonts/DejaVuSansCondensed-Bold.ttf
var boldFont []byte

// New reads the embedded fonts and templates.
func New() (*Renderer, error) {
	font, err := truetype.Parse(regularFont)
	if err != nil {
		return nil, fmt.Errorf("read embedded font: %w", err)
	}
	wide, err := truetype.Parse(boldFont)
	if err != nil {
		return nil, fmt.Errorf("read embedded bold font: %w", err)
	}
	page, err := parsePage()
	if err != nil {
		return nil, fmt.Errorf("read embedded template: %w", err)
	}
	return &Renderer{page: page, font: font, wide: wide, regular: regularFont, bold: boldFont}, nil
}

// JSON is the document as indented JSON.
func (*Renderer) JSON(doc document.Document) ([]byte, error) {
	body, err := json.MarshalIndent(doc.Cleaned(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write report as json: %w", err)
	}
	return append(body, '\n'), nil
}
