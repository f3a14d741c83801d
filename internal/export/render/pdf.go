package render

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
)

// pdfEncoder draws a table on landscape A4: the heading on every page, rows
// that wrap, "page x of y". Column widths come from a sample of the first rows.
// The document is held in memory until it is finished.
type pdfEncoder struct {
	w       io.Writer
	sheet   export.Sheet
	pdf     *fpdf.Fpdf
	regular *typeface
	bold    *typeface

	sample  [][]string // rows kept until the columns are laid out
	columns []pdfColumn
	size    float64 // of the table's letters, in points
	y       float64 // where the next row begins
	rows    int64   // written
	drawn   int64   // of them, on a page
	cell    []byte
}

// pdfColumn is where a column is on the page, in mm.
type pdfColumn struct {
	x, width float64
	right    bool // numbers stand to the right
	label    []string
}

const (
	pageWidth, pageHeight = 297.0, 210.0
	margin                = 12.0
	bottom                = pageHeight - 16 // below it is the footer
	padding               = 1.3             // left and right in a cell
	leading               = 1.28            // height of a line, in letter heights
	maxCellLines          = 8
	sampleRows            = 200
	maxNatural            = 80.0 // no column likes to be wider
	pointMM               = 25.4 / 72
)

// sizes are tried from the largest, until the columns have room.
var sizes = []float64{8, 7, 6, 5}

type colour struct{ r, g, b int }

var (
	ink     = colour{33, 37, 41}
	muted   = colour{108, 117, 125}
	white   = colour{255, 255, 255}
	accent  = colour{31, 58, 95}
	stripe  = colour{244, 246, 249}
	hairSet = colour{222, 226, 230}
)

func newPDF(w io.Writer, sheet export.Sheet, fonts Fonts) (*pdfEncoder, error) {
	p := &pdfEncoder{w: w, sheet: sheet, pdf: fpdf.New("L", "mm", "A4", "")}
	if err := p.loadFonts(fonts.orEmbedded()); err != nil {
		return nil, fmt.Errorf("pdf: %w", err)
	}
	p.pdf.SetMargins(margin, margin, margin)
	p.pdf.SetAutoPageBreak(false, 0)
	p.pdf.SetCatalogSort(true) // equal rows make equal files
	p.pdf.SetCreationDate(sheet.Made)
	p.pdf.SetModificationDate(sheet.Made)
	p.pdf.SetTitle(p.regular.clean(sheet.Title), true)
	p.pdf.SetCreator("Tandem", true)
	p.pdf.SetLineWidth(0.1)
	return p, p.err()
}

func (p *pdfEncoder) err() error {
	if err := p.pdf.Error(); err != nil {
		return fmt.Errorf("pdf: %w", err)
	}
	return nil
}

func (p *pdfEncoder) Write(row []any) error {
	texts := make([]string, len(row))
	for i, value := range row {
		text, err := p.text(p.sheet.Columns[i], value)
		if err != nil {
			return err
		}
		texts[i] = text
	}
	p.rows++
	if p.columns != nil {
		p.drawRow(texts)
		return p.err()
	}
	if p.sample = append(p.sample, texts); len(p.sample) == sampleRows {
		p.start()
	}
	return p.err()
}

// text is a value as a page shows it.
func (p *pdfEncoder) text(column dataset.Column, value any) (text string, err error) {
	if value == nil {
		return "–", nil
	}
	p.cell, err = appendPlain(p.cell[:0], column, value, "2006-01-02 15:04:05")
	return p.regular.clean(string(p.cell)), err
}

// start lays the columns out and draws what was kept for it.
func (p *pdfEncoder) start() {
	p.layOut()
	p.firstPage()
	for _, texts := range p.sample {
		p.drawRow(texts)
	}
	p.sample = nil
}

// layOut chooses the size of the letters and the widths of the columns.
func (p *pdfEncoder) layOut() {
	wraps := make([]bool, len(p.sheet.Columns))
	for i, column := range p.sheet.Columns {
		wraps[i] = column.Type == dataset.Text
	}
	var widths []float64
	for _, p.size = range sizes {
		natural := p.naturalWidths()
		widths = fitWidths(natural, wraps, pageWidth-2*margin)
		if roomy(widths, natural, wraps) {
			break
		}
	}
	p.place(widths)
}

// roomy reports whether no column had to give more than it can.
func roomy(widths, natural []float64, wraps []bool) bool {
	for i, width := range widths {
		if !wraps[i] && width < natural[i] || width < min(natural[i], 2*minWrapped) {
			return false
		}
	}
	return true
}

func (p *pdfEncoder) naturalWidths() []float64 {
	widths := make([]float64, len(p.sheet.Columns))
	for i, column := range p.sheet.Columns {
		widths[i] = p.bold.width(p.bold.clean(column.Label), p.size)
		for _, texts := range p.sample {
			for line := range strings.SplitSeq(texts[i], "\n") {
				widths[i] = max(widths[i], p.regular.width(line, p.size))
			}
		}
		widths[i] = min(widths[i]+2*padding+0.2, maxNatural)
	}
	return widths
}

func (p *pdfEncoder) place(widths []float64) {
	x := margin
	for i, column := range p.sheet.Columns {
		p.columns = append(p.columns, pdfColumn{
			x: x, width: widths[i],
			right: column.Type == dataset.Integer || column.Type == dataset.Number,
			label: p.wrapped(p.bold.clean(column.Label), widths[i], p.bold),
		})
		x += widths[i]
	}
}

func (p *pdfEncoder) wrapped(text string, width float64, face *typeface) []string {
	return wrap(text, width-2*padding, maxCellLines, func(r rune) float64 { return face.runeWidth(r, p.size) })
}

func (p *pdfEncoder) firstPage() {
	p.pdf.AddPage()
	p.say(p.bold, 15, accent, margin, margin+5.5, p.bold.clean(p.sheet.Title))
	note := grouped(p.sheet.Total) + " rows · made " + p.sheet.Made.Format("2006-01-02 15:04") + " UTC · times in UTC"
	if p.sheet.Total == 1 {
		note = strings.Replace(note, "rows", "row", 1)
	}
	p.say(p.regular, 8, muted, margin, margin+10.5, note)
	p.y = margin + 14.5
	p.drawHeading()
}

func (p *pdfEncoder) nextPage() {
	p.pdf.AddPage()
	p.y = margin
	p.drawHeading()
}

func (p *pdfEncoder) lineHeight() float64 { return p.size * pointMM * leading }

func (p *pdfEncoder) rowHeight(cells [][]string) float64 {
	lines := 1
	for _, cell := range cells {
		lines = max(lines, len(cell))
	}
	return float64(lines)*p.lineHeight() + 1.6
}

func (p *pdfEncoder) drawHeading() {
	cells := make([][]string, len(p.columns))
	for i, column := range p.columns {
		cells[i] = column.label
	}
	height := p.rowHeight(cells) + 0.8
	p.box(accent, height)
	p.drawCells(cells, p.bold, white, p.y+0.4)
	p.y += height
}

func (p *pdfEncoder) drawRow(texts []string) {
	cells := make([][]string, len(texts))
	for i, text := range texts {
		cells[i] = p.wrapped(text, p.columns[i].width, p.regular)
	}
	height := p.rowHeight(cells)
	if p.y+height > bottom {
		p.nextPage()
	}
	p.drawStripe(height)
	p.drawCells(cells, p.regular, ink, p.y)
	p.y += height
}

// drawStripe tells rows apart: a line below, and the box of every other row.
func (p *pdfEncoder) drawStripe(height float64) {
	if p.drawn++; p.drawn%2 == 0 {
		p.box(stripe, height)
	}
	p.pdf.SetDrawColor(hairSet.r, hairSet.g, hairSet.b)
	p.pdf.Line(margin, p.y+height, p.right(), p.y+height)
}

func (p *pdfEncoder) right() float64 {
	last := p.columns[len(p.columns)-1]
	return last.x + last.width
}

func (p *pdfEncoder) box(c colour, height float64) {
	p.pdf.SetFillColor(c.r, c.g, c.b)
	p.pdf.Rect(margin, p.y, p.right()-margin, height, "F")
}

func (p *pdfEncoder) drawCells(cells [][]string, face *typeface, c colour, y float64) {
	p.use(face, p.size, c)
	for i, lines := range cells {
		column := p.columns[i]
		baseline := y + 0.8 + p.size*pointMM*0.98
		for _, line := range lines {
			x := column.x + padding
			if column.right {
				x = column.x + column.width - padding - face.width(line, p.size)
			}
			p.pdf.Text(x, baseline, line)
			baseline += p.lineHeight()
		}
	}
}

func (p *pdfEncoder) use(face *typeface, size float64, c colour) {
	p.pdf.SetFont(family, face.style, size)
	p.pdf.SetTextColor(c.r, c.g, c.b)
}

func (p *pdfEncoder) say(face *typeface, size float64, c colour, x, y float64, text string) {
	p.use(face, size, c)
	p.pdf.Text(x, y, text)
}

// Finish numbers the pages, whose count is known only now, and writes the file.
func (p *pdfEncoder) Finish() error {
	if p.columns == nil {
		p.start()
	}
	if p.rows == 0 {
		p.say(p.regular, 9, muted, margin+padding, p.y+7, "No rows match the query.")
	}
	pages := p.pdf.PageCount()
	for page := 1; page <= pages; page++ {
		p.pdf.SetPage(page)
		p.drawFooter(page, pages)
	}
	if err := p.pdf.Output(p.w); err != nil {
		return fmt.Errorf("pdf: %w", err)
	}
	return nil
}

func (p *pdfEncoder) drawFooter(page, pages int) {
	const size, y = 7.0, pageHeight - 8
	p.say(p.regular, size, muted, margin, y, p.regular.clean(p.sheet.Title))
	text := fmt.Sprintf("Page %d of %d", page, pages)
	p.say(p.regular, size, muted, pageWidth-margin-p.regular.width(text, size), y, text)
}

// Close has nothing to release: the document is garbage once it is written.
func (p *pdfEncoder) Close() error { return nil }

// grouped writes a number with thousands set apart: 50,000.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
