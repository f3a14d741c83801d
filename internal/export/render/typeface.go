package render

import (
	_ "embed"
	"fmt"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

//go:embed fonts/DejaVuSansCondensed-subset.ttf
var regularFont []byte

//go:embed fonts/DejaVuSansCondensed-Bold-subset.ttf
var boldFont []byte

const family = "sans"

func (f Fonts) orEmbedded() Fonts {
	if f.Regular == nil {
		f.Regular = regularFont
	}
	if f.Bold == nil {
		f.Bold = boldFont
	}
	return f
}

// typeface measures letters, and knows which a font has.
type typeface struct {
	style  string // "" or "B"
	font   *sfnt.Font
	buffer sfnt.Buffer
	widths map[rune]float64 // of a letter of one point, in mm; negative: the font has none
}

func (p *pdfEncoder) loadFonts(fonts Fonts) (err error) {
	if p.regular, err = newTypeface(p.pdf, "", fonts.Regular); err != nil {
		return err
	}
	p.bold, err = newTypeface(p.pdf, "B", fonts.Bold)
	return err
}

func newTypeface(pdf *fpdf.Fpdf, style string, file []byte) (*typeface, error) {
	parsed, err := sfnt.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("font %q: %w", style, err)
	}
	pdf.AddUTF8FontFromBytes(family, style, file)
	pdf.SetFont(family, style, 1)
	return &typeface{style: style, font: parsed, widths: map[rune]float64{}}, pdf.Error()
}

const replacement = '\uFFFD'

// clean replaces what cannot be drawn: letters that the font lacks, and control
// characters other than a line break. fpdf itself takes no letter beyond the
// basic plane.
func (t *typeface) clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r < ' ' || r == 0x7f || r == '\u00A0':
			return ' '
		case r > 0xFFFE || t.measure(r) < 0:
			return replacement
		default:
			return r
		}
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

func (t *typeface) width(text string, size float64) (width float64) {
	for _, r := range text {
		width += t.runeWidth(r, size)
	}
	return width
}

func (t *typeface) runeWidth(r rune, size float64) float64 { return max(0, t.measure(r)) * size }

// measure remembers what it once looked up.
func (t *typeface) measure(r rune) float64 {
	width, known := t.widths[r]
	if !known {
		width = t.lookup(r)
		t.widths[r] = width
	}
	return width
}

func (t *typeface) lookup(r rune) float64 {
	glyph, err := t.font.GlyphIndex(&t.buffer, r)
	if err != nil || glyph == 0 {
		return -1
	}
	units := t.font.UnitsPerEm()
	advance, err := t.font.GlyphAdvance(&t.buffer, glyph, fixed.I(int(units)), font.HintingNone)
	if err != nil {
		return -1
	}
	return float64(advance) / 64 / float64(units) * pointMM
}
