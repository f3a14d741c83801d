package render

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/tandemq/tandem/internal/report/document"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

func parsePage() (*template.Template, error) {
	return template.New("page").Parse(pageTemplate)
}

func styleSheet() string { return colourRules() + pageStyle }

// PagePolicy is the Content-Security-Policy that the page brings along: nothing
// is loaded, nothing runs, and the one style sheet is known by its hash. Whoever
// serves the page may send it as a header too.
func PagePolicy() string {
	sum := sha256.Sum256([]byte(styleSheet()))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'"
}

// page is what the template is given: text ready to be shown.
type page struct {
	heading
	Policy   string
	Style    template.HTML
	Tiles    []tile
	Sections []pageSection
}

type pageSection struct {
	Title, Caption, Message string
	Chart                   *pageChart
	Table                   *tableView
}

type pageChart struct {
	SVG    template.HTML
	Legend []legendEntry
	Note   string
}

// HTML is the document as one page that needs nothing else.
func (r *Renderer) HTML(doc document.Document) ([]byte, error) {
	doc = doc.Cleaned()
	p := page{
		heading: headingOf(doc),
		Policy:  PagePolicy(),
		Style:   template.HTML("<style>" + styleSheet() + "</style>"), // ours, and embedded
		Tiles:   tilesOf(doc.Tiles),
	}
	for _, s := range doc.Sections {
		section, err := r.pageSection(s)
		if err != nil {
			return nil, fmt.Errorf("section %q: %w", s.Title, err)
		}
		p.Sections = append(p.Sections, section)
	}
	var out bytes.Buffer
	if err := r.page.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("write report as html: %w", err)
	}
	return out.Bytes(), nil
}

func (r *Renderer) pageSection(s document.Section) (pageSection, error) {
	section := pageSection{Title: s.Title, Caption: s.Caption, Message: s.Message}
	if s.Table != nil {
		section.Table = tableOf(s.Table)
	}
	if s.Chart == nil {
		return section, nil
	}
	drawing := r.svg(s.Chart)
	drawn, err := drawing.draw()
	if err != nil {
		return section, err
	}
	svg, err := inlineSVG(drawn, s.Chart.Summary, drawing.anchors())
	if err != nil {
		return section, err
	}
	section.Chart = &pageChart{SVG: svg, Legend: legendOf(s.Chart), Note: weekNote(s.Chart)}
	return section, nil
}
