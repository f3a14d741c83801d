package email

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode/utf8"
)

//go:embed templates
var templates embed.FS

// Brand is who the mails are from, as the recipient sees it.
type Brand struct {
	Name    string // in the head of the mail; empty is Tandem
	URL     string // where the name leads; empty is nowhere
	Contact string // the last line: a postal address, how to reach people; may be empty
}

func (b Brand) withDefaults() Brand {
	if b.Name == "" {
		b.Name = "Tandem"
	}
	return b
}

// Rendered is a mail as the recipient sees it.
type Rendered struct {
	Subject string
	Text    string
	HTML    string
}

// Renderer turns payloads into mails. It is safe for concurrent use.
type Renderer struct {
	brand Brand
	mails map[string]parsed
}

// parsed are one template's three parts.
type parsed struct {
	subject *texttemplate.Template
	text    *texttemplate.Template
	html    *htmltemplate.Template
}

// NewRenderer parses all templates. An error is a mistake in this package or a
// brand that cannot be shown.
func NewRenderer(b Brand) (*Renderer, error) {
	b = b.withDefaults()
	if err := checkLine("brand.name", b.Name, maxText); err != nil {
		return nil, err
	}
	if _, err := readLink("brand.url", b.URL, maxLink); err != nil {
		return nil, err
	}
	r := &Renderer{brand: b, mails: map[string]parsed{}}
	for _, t := range Templates() {
		p, err := parse(t)
		if err != nil {
			return nil, fmt.Errorf("mail template %s: %w", t.Name, err)
		}
		r.mails[t.Name] = p
	}
	return r, nil
}

func parse(t Template) (parsed, error) {
	subject, err := texttemplate.New("subject").Parse(t.Subject)
	if err != nil {
		return parsed{}, err
	}
	text, err := texttemplate.New("layout.txt").Funcs(words()).
		ParseFS(templates, "templates/layout.txt", "templates/"+t.Name+".txt")
	if err != nil {
		return parsed{}, err
	}
	html, err := htmltemplate.New("layout.html").Funcs(words()).
		ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/"+t.Name+".html")
	return parsed{subject: subject, text: text, html: html}, err
}

// Render shows the mail that a payload asks for. A payload that Validate
// refuses is refused with the same error.
func (r *Renderer) Render(p Payload) (Rendered, error) {
	l, err := read(p)
	if err != nil {
		return Rendered{}, err
	}
	return r.render(l)
}

// Render shows a mail as it would be sent without a brand of one's own.
func Render(p Payload) (subject, text, html string, err error) {
	r, err := NewRenderer(Brand{})
	if err != nil {
		return "", "", "", err
	}
	mail, err := r.Render(p)
	return mail.Subject, mail.Text, mail.HTML, err
}

// view is what the templates see; subjects see its Data with the brand in it.
type view struct {
	Brand   Brand
	Subject string
	Reason  string
	Data    map[string]any
}

type executor interface {
	Execute(w io.Writer, data any) error
}

func (r *Renderer) render(l letter) (Rendered, error) {
	mail := r.mails[l.template.Name]
	subject, err := r.subject(mail, l)
	if err != nil {
		return Rendered{}, err
	}
	v := view{Brand: r.brand, Subject: subject, Reason: l.template.Reason, Data: l.data}
	text, err := execute(mail.text, v)
	if err != nil {
		return Rendered{}, err
	}
	html, err := execute(mail.html, v)
	return Rendered{Subject: subject, Text: strings.TrimSpace(text) + "\n", HTML: html}, err
}

func (r *Renderer) subject(mail parsed, l letter) (string, error) {
	if l.subject != "" {
		return l.subject, nil
	}
	values := map[string]any{"Brand": r.brand}
	for name, value := range l.data {
		values[name] = value
	}
	subject, err := execute(mail.subject, values)
	return shorten(strings.TrimSpace(subject), maxSubject), err
}

func execute(t executor, data any) (string, error) {
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("render mail: %w", err)
	}
	return out.String(), nil
}

// shorten cuts at a character, so that a long name cannot make a subject that
// mail systems refuse.
func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}

// words are what both kinds of templates can say of values.
func words() map[string]any {
	return map[string]any{
		"count":   count,
		"size":    size,
		"day":     func(t time.Time) string { return t.Format("2 January 2006, 15:04 MST") },
		"given":   func(value any) bool { return value != nil },
		"initial": initial,
		"rule":    func(text string) string { return strings.Repeat("-", utf8.RuneCountInString(text)) },
		"button":  func(label, url string) map[string]string { return map[string]string{"Label": label, "URL": url} },
		"row":     func(label, value string) map[string]string { return map[string]string{"Label": label, "Value": value} },
	}
}

// count writes 1284330 as 1,284,330.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// size writes bytes as people read them: 48210944 as 48.2 MB.
func size(n int64) string {
	units := []string{"kB", "MB", "GB", "TB"}
	value, unit := float64(n), "bytes"
	for _, larger := range units {
		if value < 1000 {
			break
		}
		value, unit = value/1000, larger
	}
	if unit == "bytes" {
		return count(n) + " bytes"
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + " " + unit
}

// initial is the letter on the brand's tile.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(name)
	return strings.ToUpper(string(r))
}
