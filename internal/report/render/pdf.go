package render

import (
	"bytes"
	"fmt"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-analyze/charts"

	"github.com/tandemq/tandem/internal/report/document"
)

// The sheet, in millimetres: A4, with what stays free on each side.
const (
	sheetWidth   = 210.0
	sheetHeight  = 297.0
	marginX      = 16.0
	marginTop    = 24.0 // below the running head of a following page
	marginBottom = 20.0 // above the page number
	bodyWidth    = sheetWidth - 2*marginX
	family       = "dejavu"
)

// sheet writes a document down the pages of a PDF.
type sheet struct {
	pdf    *fpdf.Fpdf
	r      *Renderer
	head   heading
	y      float64 // where the next thing goes
	images int
	set    typeface // the font in use
}

// typeface is a font as it was chosen last: a new page begins with its own.
type typeface struct {
	style  string
	size   float64
	colour colour
}

// PDF is the document as an A4 PDF with embedded fonts. The same document
// always makes the same bytes.
func (r *Renderer) PDF(doc document.Document) ([]byte, error) {
	doc = doc.Cleaned()
	s := &sheet{pdf: r.newPDF(doc), r: r, head: headingOf(doc)}
	s.title()
	s.tiles(tilesOf(doc.Tiles))
	if doc.Empty {
		s.notice(s.head.EmptyTitle, s.head.EmptyText)
	}
	for _, section := range doc.Sections {
		if err := s.section(section); err != nil {
			return nil, fmt.Errorf("section %q: %w", section.Title, err)
		}
	}
	s.notes()
	s.pageNumbers()
	var out bytes.Buffer
	if err := s.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("write report as pdf: %w", err)
	}
	return out.Bytes(), nil
}

func (r *Renderer) newPDF(doc document.Document) *fpdf.Fpdf {
	pdf := fpdf.New("P", "mm", "A4", "")
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(doc.GeneratedAt.UTC())
	pdf.SetModificationDate(doc.GeneratedAt.UTC())
	pdf.SetTitle(doc.Title+" – "+doc.Tenant, true)
	pdf.SetSubject(doc.Range.String(), true)
	pdf.SetCreator("Tandem", true)
	pdf.SetLang("en")
	pdf.SetMargins(marginX, marginTop, marginX)
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetCellMargin(0)
	pdf.AddUTF8FontFromBytes(family, "", r.regular)
	pdf.AddUTF8FontFromBytes(family, "B", r.bold)
	return pdf
}

// font chooses how the next text is set; size is in points.
func (s *sheet) font(style string, size float64, c colour) {
	s.set = typeface{style, size, c}
	s.pdf.SetFont(family, style, size)
	rgb := charts.ColorFromHex(c.light)
	s.pdf.SetTextColor(int(rgb.R), int(rgb.G), int(rgb.B))
}

func (s *sheet) fill(hex string) {
	c := charts.ColorFromHex(hex)
	s.pdf.SetFillColor(int(c.R), int(c.G), int(c.B))
}

func (s *sheet) rule(x1, y, x2, width float64, hex string) {
	c := charts.ColorFromHex(hex)
	s.pdf.SetDrawColor(int(c.R), int(c.G), int(c.B))
	s.pdf.SetLineWidth(width)
	s.pdf.Line(x1, y, x2, y)
}

// left sets one line of text with its baseline at y, shortened to width.
func (s *sheet) left(x, y, width float64, text string) {
	s.pdf.Text(x, y, s.fit(s.r.drawable(text), width))
}

// right sets one line that ends at x.
func (s *sheet) right(x, y, width float64, text string) {
	text = s.fit(s.r.drawable(text), width)
	s.pdf.Text(x-s.pdf.GetStringWidth(text), y, text)
}

// fit shortens text to width with an ellipsis.
func (s *sheet) fit(text string, width float64) string {
	if s.pdf.GetStringWidth(text) <= width {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && s.pdf.GetStringWidth(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// paragraph sets wrapped text from s.y downwards; height is that of a line.
func (s *sheet) paragraph(x, width, height float64, text string) {
	for _, line := range s.wrap(text, width) {
		s.room(height)
		s.pdf.Text(x, s.y+height*0.75, line)
		s.y += height
	}
}

// page begins a new page below its running head, in the font that was in use.
func (s *sheet) page() {
	inUse := s.set
	defer func() { s.font(inUse.style, inUse.size, inUse.colour) }()
	s.pdf.AddPage()
	s.y = marginTop
	s.font("", 8, muted)
	s.left(marginX, 14, bodyWidth*0.6, s.head.Title+" · "+s.head.Tenant)
	s.right(sheetWidth-marginX, 14, bodyWidth*0.38, s.head.Range)
	s.rule(marginX, 17, sheetWidth-marginX, 0.2, grid.light)
}

// room begins a new page when height does not fit on this one, and says so.
func (s *sheet) room(height float64) bool {
	if s.y+height <= sheetHeight-marginBottom {
		return false
	}
	s.page()
	return true
}

func (s *sheet) title() {
	s.pdf.AddPage()
	s.fill(seriesColours[0].light)
	s.pdf.Rect(marginX, 16, bodyWidth, 1.2, "F")
	s.y = 23
	s.font("B", 9.5, muted)
	s.left(marginX, s.y+3, bodyWidth, s.head.Tenant)
	s.y += 6
	s.font("B", 24, ink)
	s.paragraph(marginX, bodyWidth, 10.5, s.head.Title)
	s.font("", 10, muted)
	s.paragraph(marginX, bodyWidth, 5.2, s.head.Description)
	s.y += 2.5
	s.font("B", 11.5, ink)
	s.left(marginX, s.y+4, bodyWidth, s.head.Range)
	width := s.pdf.GetStringWidth(s.head.Range)
	s.font("", 9, muted)
	s.left(marginX+width+3, s.y+4, bodyWidth-width-3, s.head.RangeNote)
	s.y += 11
}

// tilesPerRow keeps rows full: 4, 3 + 3, 4 + 4.
func tilesPerRow(n int) int {
	if n == 3 || n == 5 || n == 6 {
		return 3
	}
	return 4
}

func (s *sheet) tiles(list []tile) {
	const gap = 3.5
	height := tileHeight(list)
	perRow := tilesPerRow(len(list))
	width := (bodyWidth - gap*float64(perRow-1)) / float64(perRow)
	for i, t := range list {
		if i > 0 && i%perRow == 0 {
			s.y += height + gap
		}
		s.tile(marginX+float64(i%perRow)*(width+gap), width, height, t)
	}
	if len(list) > 0 {
		s.y += height + 8
	}
}

// tileHeight leaves a line for the hint where a tile has a change as well.
func tileHeight(list []tile) float64 {
	for _, t := range list {
		if t.Change != nil && t.Hint != "" {
			return 25
		}
	}
	return 21
}

func (s *sheet) tile(x, width, height float64, t tile) {
	const inset = 3.6
	s.fill("#f6f8fc")
	s.pdf.RoundedRect(x, s.y, width, height, 1.8, "1234", "F")
	inner := width - 2*inset
	s.font("", 8, muted)
	s.left(x+inset, s.y+5.6, inner, t.Label)
	s.tileNumber(x+inset, inner, t)
	line := s.y + 17.6
	if t.Change != nil {
		s.font("B", 7.5, toneColour(t.Change.Tone))
		s.left(x+inset, line, inner, t.Change.Arrow+" "+t.Change.Text)
		line += 4
	}
	s.font("", 7.5, muted)
	s.left(x+inset, line, inner, t.Hint)
}

// tileNumber sets a number as large as fits with its unit beside it.
func (s *sheet) tileNumber(x, width float64, t tile) {
	s.font("", 9, muted)
	unit := s.fit(s.r.drawable(t.Unit), width/3)
	unitWidth := s.pdf.GetStringWidth(unit)
	size := 15.0
	s.font("B", size, ink)
	for size > 8 && s.pdf.GetStringWidth(s.r.drawable(t.Value))+unitWidth+1.5 > width {
		size--
		s.font("B", size, ink)
	}
	number := s.fit(s.r.drawable(t.Value), width-unitWidth-1.5)
	s.pdf.Text(x, s.y+12.6, number)
	after := x + s.pdf.GetStringWidth(number) + 1.5
	s.font("", 9, muted)
	s.pdf.Text(after, s.y+12.6, unit)
}

func toneColour(tone string) colour {
	switch tone {
	case "good":
		return colour{light: "#0f7b4f"}
	case "bad":
		return bad
	default:
		return muted
	}
}

// notice is a framed message in place of what is not there.
func (s *sheet) notice(title, text string) {
	s.font("", 9.5, muted)
	lines := s.wrap(text, bodyWidth-50)
	height := 22 + 5*float64(len(lines))
	s.room(height)
	s.fill("#f6f8fc")
	s.pdf.RoundedRect(marginX, s.y, bodyWidth, height, 1.8, "1234", "F")
	s.font("B", 12, ink)
	s.centre(s.y+11, title)
	s.font("", 9.5, muted)
	for i, line := range lines {
		s.centre(s.y+18+5*float64(i), line)
	}
	s.y += height + 8
}

func (s *sheet) centre(y float64, text string) {
	text = s.fit(s.r.drawable(text), bodyWidth)
	s.pdf.Text((sheetWidth-s.pdf.GetStringWidth(text))/2, y, text)
}

func (s *sheet) section(section document.Section) error {
	s.room(s.sectionHead(section))
	s.font("B", 13, ink)
	s.paragraph(marginX, bodyWidth, 6.4, section.Title)
	if section.Caption != "" {
		s.font("", 9, muted)
		s.paragraph(marginX, bodyWidth, 4.8, section.Caption)
	}
	s.y += 2.5
	if section.Message != "" {
		s.font("", 9.5, muted)
		s.paragraph(marginX, bodyWidth, 5.5, section.Message)
	}
	if section.Chart != nil {
		if err := s.chart(section.Chart); err != nil {
			return err
		}
	}
	if section.Table != nil {
		s.table(tableOf(section.Table))
	}
	s.y += 9
	return nil
}

// sectionHead is the height that keeps a heading with what it announces: its
// chart, or the beginning of its table.
func (s *sheet) sectionHead(section document.Section) float64 {
	if section.Chart != nil {
		return 24 + chartMillimetres(section.Chart)
	}
	return 46
}

func chartMillimetres(c *document.Chart) float64 {
	return bodyWidth * float64(heightOf(c)) / chartWidth
}

func (s *sheet) chart(c *document.Chart) error {
	s.images++
	drawn, err := s.r.png(c, s.images).draw()
	if err != nil {
		return err
	}
	s.legend(legendOf(c))
	name := fmt.Sprintf("chart-%d", s.images)
	options := fpdf.ImageOptions{ImageType: "PNG"}
	s.pdf.RegisterImageOptionsReader(name, options, bytes.NewReader(drawn))
	height := chartMillimetres(c)
	s.room(height)
	s.pdf.ImageOptions(name, marginX, s.y, bodyWidth, height, false, options, 0, "")
	s.y += height + 3
	if note := weekNote(c); note != "" {
		s.font("", 7.5, muted)
		s.paragraph(marginX, bodyWidth, 4, note)
		s.y += 1.5
	}
	return nil
}

func (s *sheet) legend(list []legendEntry) {
	if len(list) == 0 {
		return
	}
	const box, line = 2.6, 5.0
	s.font("", 8.5, ink)
	x := marginX
	for _, entry := range list {
		name := s.fit(s.r.drawable(entry.Name), bodyWidth/2)
		width := box + 1.8 + s.pdf.GetStringWidth(name)
		if x > marginX && x+width > sheetWidth-marginX {
			x = marginX
			s.y += line
		}
		s.fill(entry.paint.light)
		s.pdf.RoundedRect(x, s.y+0.9, box, box, 0.6, "1234", "F")
		s.pdf.Text(x+box+1.8, s.y+3.2, name)
		x += width + 6
	}
	s.y += line + 1
}

func (s *sheet) notes() {
	s.room(18)
	s.rule(marginX, s.y, sheetWidth-marginX, 0.2, grid.light)
	s.y += 3
	for _, note := range append(s.head.Notes, s.head.Made) {
		s.font("", 8, muted)
		s.paragraph(marginX, bodyWidth, 4.4, note)
		s.y += 0.8
	}
}

// pageNumbers goes over the finished pages, now that it is known how many there are.
func (s *sheet) pageNumbers() {
	pages := s.pdf.PageCount()
	for i := 1; i <= pages; i++ {
		s.pdf.SetPage(i)
		s.font("B", 6, muted) // another font first, so that the page is told of the next
		s.font("", 8, muted)
		s.right(sheetWidth-marginX, sheetHeight-10, bodyWidth/2, fmt.Sprintf("Page %d of %d", i, pages))
	}
}
