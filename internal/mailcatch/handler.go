package mailcatch

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"time"
)

//go:embed assets
var assets embed.FS

// What a page may load. The pages have no script at all; the frame with the
// mail's html may use the styles that mails bring with them, and nothing else.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'"
	framePolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)

// Handler shows the mails:
//
//	GET  /                           the list, newest first
//	GET  /mails.json                 the same for programs
//	GET  /mails/{id}                 one mail
//	GET  /mails/{id}/html            its html part, sandboxed
//	GET  /mails/{id}/raw             the message as received
//	GET  /mails/{id}/attachments/{n} counted from 0, always as a download
//	POST /clear                      forget all
//
// Every link is relative, so it can be mounted below any path that ends in a
// slash, with http.StripPrefix. POST is refused to other sites' pages.
func (c *Catcher) Handler() http.Handler {
	v := &viewer{catcher: c, pages: parsePages()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", v.list)
	mux.HandleFunc("GET /mails.json", v.listJSON)
	mux.HandleFunc("GET /mails/{id}", v.mail(v.show))
	mux.HandleFunc("GET /mails/{id}/html", v.mail(v.frame))
	mux.HandleFunc("GET /mails/{id}/raw", v.mail(v.raw))
	mux.HandleFunc("GET /mails/{id}/attachments/{n}", v.mail(v.attachment))
	mux.HandleFunc("GET /style.css", v.style)
	mux.HandleFunc("POST /clear", v.clear)
	return secured(http.NewCrossOriginProtection().Handler(mux))
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func parsePages() *template.Template {
	return template.Must(template.New("pages").Funcs(template.FuncMap{
		"clock": func(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") },
		"bytes": showBytes,
	}).ParseFS(assets, "assets/*.html"))
}

// showBytes is a size as people read it.
func showBytes(n int) string {
	if n < 1<<10 {
		return strconv.Itoa(n) + " B"
	}
	return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KiB"
}

type viewer struct {
	catcher *Catcher
	pages   *template.Template
}

func (v *viewer) list(w http.ResponseWriter, _ *http.Request) {
	v.page(w, "list.html", map[string]any{"Mails": v.catcher.Mails(), "Addr": v.catcher.Addr()})
}

func (v *viewer) show(w http.ResponseWriter, _ *http.Request, m *Mail) {
	v.page(w, "mail.html", m)
}

// page renders first and writes then, so that a failure is a 500 and not half a
// page.
func (v *viewer) page(w http.ResponseWriter, name string, data any) {
	var body bytes.Buffer
	if err := v.pages.ExecuteTemplate(&body, name, data); err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	send(w, "text/html; charset=utf-8", body.Bytes())
}

// send writes a body. An error means that the reader has gone, and there is
// nobody left to tell.
func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// mail looks up the mail that the path names.
func (v *viewer) mail(next func(http.ResponseWriter, *http.Request, *Mail)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		m, found := v.catcher.Mail(id)
		if !found {
			http.Error(w, "no such mail: it may have made room for newer ones", http.StatusNotFound)
			return
		}
		next(w, r, m)
	}
}

func (v *viewer) frame(w http.ResponseWriter, r *http.Request, m *Mail) {
	if m.HTML == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Security-Policy", framePolicy)
	send(w, "text/html; charset=utf-8", []byte(m.HTML))
}

// raw is always plain text: a browser must not make a page of it.
func (v *viewer) raw(w http.ResponseWriter, _ *http.Request, m *Mail) {
	send(w, "text/plain; charset=utf-8", m.Raw)
}

func (v *viewer) attachment(w http.ResponseWriter, r *http.Request, m *Mail) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 0 || n >= len(m.Attachments) {
		http.NotFound(w, r)
		return
	}
	a := m.Attachments[n]
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Filename}))
	send(w, "application/octet-stream", a.Content)
}

func (v *viewer) style(w http.ResponseWriter, _ *http.Request) {
	sheet, err := assets.ReadFile("assets/style.css")
	if err != nil {
		http.Error(w, "no style sheet", http.StatusInternalServerError)
		return
	}
	send(w, "text/css; charset=utf-8", sheet)
}

func (v *viewer) clear(w http.ResponseWriter, _ *http.Request) {
	v.catcher.Clear()
	w.Header().Set("Location", "./")
	w.WriteHeader(http.StatusSeeOther)
}

// listed is a mail in /mails.json.
type listed struct {
	ID          int       `json:"id"`
	ReceivedAt  time.Time `json:"receivedAt"`
	From        string    `json:"from"`
	To          []string  `json:"to"`
	Subject     string    `json:"subject"`
	MessageID   string    `json:"messageId"`
	Text        string    `json:"text"`
	Links       []string  `json:"links"`
	Attachments []string  `json:"attachments"`
	Size        int       `json:"size"`
	TLS         bool      `json:"tls"`
}

func (v *viewer) listJSON(w http.ResponseWriter, _ *http.Request) {
	mails := v.catcher.Mails()
	list := make([]listed, len(mails))
	for i, m := range mails {
		list[i] = m.listed()
	}
	body, err := json.Marshal(map[string]any{"mails": list})
	if err != nil {
		http.Error(w, "the list could not be encoded", http.StatusInternalServerError)
		return
	}
	send(w, "application/json", body)
}

func (m *Mail) listed() listed {
	names := make([]string, len(m.Attachments))
	for i, a := range m.Attachments {
		names[i] = a.Filename
	}
	return listed{
		ID: m.ID, ReceivedAt: m.ReceivedAt, From: m.From, To: m.To, Subject: m.Subject,
		MessageID: m.Header.Get("Message-Id"), Text: m.Text, Links: append([]string{}, m.Links...),
		Attachments: names, Size: m.Size, TLS: m.TLS,
	}
}
