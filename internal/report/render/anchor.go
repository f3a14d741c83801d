package render

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/golang/freetype/truetype"
	"golang.org/x/image/font"

	"github.com/tandemq/tandem/internal/report/document"
)

// anchors says by which point each label of a chart is held. The library places
// every text by its left end, for the width it has in our font; a browser sets
// it in a font of its own. Held by its middle or its right end, a label stays
// centred below its bar, or flush with the axis, in any font. The zero value
// leaves every text where it is.
type anchors struct {
	font       *truetype.Font // that categories are measured in
	plain      *truetype.Font // and everything else
	categories map[string]bool
	category   string // the anchor of a category's label
	value      string // the anchor of any other text
}

func (d drawing) anchors() anchors {
	a := anchors{font: d.fonts.font, plain: d.fonts.font, categories: make(map[string]bool), category: "middle", value: "end"}
	labels := d.categoryLabels
	if d.chart.Kind == document.Ranking {
		a.category, a.value, a.font = "end", "start", d.fonts.wide
		labels = d.rankLabels
	}
	for _, label := range labels() {
		a.categories[label] = true
	}
	return a
}

// apply moves the x of a text element to where its anchor is.
func (a anchors) apply(element *xml.StartElement, text string) {
	anchor, font := a.value, a.plain
	if a.categories[text] {
		anchor, font = a.category, a.font
	}
	if anchor != "middle" && anchor != "end" {
		return
	}
	shift := textWidth(font, text, fontSizeOf(element))
	if anchor == "middle" {
		shift /= 2
	}
	for i, attr := range element.Attr {
		if x, err := strconv.ParseFloat(attr.Value, 64); attr.Name.Local == "x" && err == nil {
			element.Attr[i].Value = strconv.FormatFloat(x+shift, 'f', 1, 64)
		}
	}
	element.Attr = append(element.Attr, xml.Attr{Name: xml.Name{Local: "text-anchor"}, Value: anchor})
}

// libraryDPI is how the chart library turns points into pixels.
const libraryDPI = 96

// textWidth is the width of text in f at a size in pixels.
func textWidth(f *truetype.Font, text string, size float64) float64 {
	face := truetype.NewFace(f, &truetype.Options{Size: size, DPI: 72})
	return float64(font.MeasureString(face, text)) / 64
}

func fontSizeOf(element *xml.StartElement) float64 {
	for _, attr := range element.Attr {
		if attr.Name.Local != "style" {
			continue
		}
		for declaration := range strings.SplitSeq(attr.Value, ";") {
			name, value, _ := strings.Cut(declaration, ":")
			if size, err := strconv.ParseFloat(strings.TrimSuffix(value, "px"), 64); name == "font-size" && err == nil {
				return size
			}
		}
	}
	return 0
}
