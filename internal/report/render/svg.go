package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-analyze/charts"
)

// The elements and attributes of a drawn chart that reach the page. Everything
// else is dropped: no link, script, style or foreign content can come through,
// whatever the chart library made of a hostile label.
var (
	svgElements   = []string{"svg", "g", "path", "text", "circle", "rect", "line"}
	svgAttributes = []string{"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "viewBox", "transform", "text-anchor", "stroke-dasharray"}
)

// inlineSVG rebuilds a drawn chart from its allowed parts. Style attributes turn
// into presentation attributes and classes, so the page's policy can forbid
// inline style, and its style sheet can choose the colours.
func inlineSVG(drawn []byte, title string, anchors anchors) (template.HTML, error) {
	decoder := xml.NewDecoder(bytes.NewReader(drawn))
	var out strings.Builder
	var skipping int
	var label *xml.StartElement // a text element, held back until its text is known
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return template.HTML(out.String()), nil
		}
		if err != nil {
			return "", fmt.Errorf("read drawn chart: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if skipping > 0 || !slices.Contains(svgElements, t.Name.Local) {
				skipping++
				continue
			}
			if t.Name.Local == "text" {
				start := t.Copy()
				label = &start
				continue
			}
			openElement(&out, t, title)
		case xml.EndElement:
			if skipping > 0 {
				skipping--
				continue
			}
			out.WriteString("</" + t.Name.Local + ">")
		case xml.CharData:
			if skipping > 0 {
				continue
			}
			if label != nil {
				anchors.apply(label, string(t))
				openElement(&out, *label, title)
				label = nil
			}
			out.WriteString(template.HTMLEscapeString(string(t)))
		}
	}
}

func openElement(out *strings.Builder, t xml.StartElement, title string) {
	out.WriteString("<" + t.Name.Local)
	if t.Name.Local == "svg" {
		out.WriteString(` role="img" focusable="false"`)
		attribute(out, "aria-label", title)
	}
	for _, a := range t.Attr {
		switch {
		case a.Name.Local == "style":
			writeStyle(out, a.Value)
		case a.Name.Space == "" && slices.Contains(svgAttributes, a.Name.Local):
			attribute(out, a.Name.Local, a.Value)
		}
	}
	out.WriteString(">")
}

func attribute(out *strings.Builder, name, value string) {
	out.WriteString(" " + name + `="` + template.HTMLEscapeString(value) + `"`)
}

// writeStyle writes the declarations of a style attribute that are known.
func writeStyle(out *strings.Builder, style string) {
	var classes []string
	for declaration := range strings.SplitSeq(style, ";") {
		name, value, _ := strings.Cut(declaration, ":")
		switch name {
		case "fill":
			classes = append(classes, paint(out, "fill", "f-", value)...)
		case "stroke":
			classes = append(classes, paint(out, "stroke", "k-", value)...)
		case "stroke-width", "font-size":
			if n, err := strconv.ParseFloat(strings.TrimSuffix(value, "px"), 64); err == nil {
				attribute(out, name, strconv.FormatFloat(n, 'f', -1, 64))
			}
		}
	}
	if len(classes) > 0 {
		attribute(out, "class", strings.Join(classes, " "))
	}
}

// paint writes how an element is filled or stroked. A colour of the palette is
// returned as a class; any other, which the library mixed itself, is written as
// it is when it has the form of a colour.
func paint(out *strings.Builder, property, prefix, value string) []string {
	colour, opacity, ok := parseColour(value)
	if !ok {
		attribute(out, property, "none")
		return nil
	}
	if opacity < 1 {
		attribute(out, property+"-opacity", strconv.FormatFloat(opacity, 'f', -1, 64))
	}
	for _, role := range roles() {
		if charts.ColorFromHex(role.light) == colour {
			return []string{prefix + role.name}
		}
	}
	attribute(out, property, fmt.Sprintf("rgb(%d,%d,%d)", colour.R, colour.G, colour.B))
	return nil
}

var rgbPattern = regexp.MustCompile(`^rgba?\((\d+), ?(\d+), ?(\d+)(?:, ?([0-9.]+))?\)$`)

// parseColour reads a colour as the chart library writes it, without its opacity.
func parseColour(text string) (c charts.Color, opacity float64, ok bool) {
	m := rgbPattern.FindStringSubmatch(text)
	if m == nil {
		return c, 0, false // "none", and the few colours that it writes by name: none of them is ours
	}
	var parts [3]uint8
	for i := range parts {
		n, err := strconv.ParseUint(m[i+1], 10, 8)
		if err != nil {
			return c, 0, false
		}
		parts[i] = uint8(n)
	}
	opacity = 1
	if m[4] != "" {
		var err error
		if opacity, err = strconv.ParseFloat(m[4], 64); err != nil {
			return c, 0, false
		}
	}
	return charts.Color{R: parts[0], G: parts[1], B: parts[2], A: 255}, opacity, true
}
