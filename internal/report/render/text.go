package render

import "strings"

// replacement stands for a character that the embedded font cannot draw.
const replacement = '□'

// drawable is text as the embedded font can draw it: control characters become
// blanks, and a character without a glyph becomes a box, once for a run of them.
func (r *Renderer) drawable(text string) string {
	var b strings.Builder
	last := rune(-1)
	for _, c := range text {
		switch {
		case c < ' ' || c == 0x7f:
			c = ' '
		case c > 0xffff || r.font.Index(c) == 0:
			c = replacement
		}
		if c == replacement && last == replacement {
			continue
		}
		b.WriteRune(c)
		last = c
	}
	return b.String()
}

// clip shortens text to limit characters, with an ellipsis.
func clip(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return strings.TrimRight(string(runes[:limit-1]), " ") + "…"
}
