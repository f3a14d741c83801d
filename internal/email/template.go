package email

import (
	"strings"
	"sync"

	"github.com/tandemq/tandem/internal/jobs"
)

// Template describes a mail that can be asked for.
type Template struct {
	Name    string
	Note    string // when it is sent
	Subject string // the default, a text/template over the data fields and .Brand
	Bulk    bool   // many recipients get the same; otherwise it answers something they did
	Reason  string // why the recipient gets it, for the foot of the mail
	Fields  []Field
}

// Field is one entry of a mail's data.
type Field struct {
	Name     string
	Kind     Kind
	Required bool
	InHeader bool // it also becomes part of a header
	Note     string
	Example  any
	Of       []Field // the fields of a List's entries
}

// Templates are all templates, in the order in which people meet them. They are
// the caller's own.
func Templates() []Template {
	return []Template{welcome(), accountExists(), newsletter(), exportReady(), reportReady(), generic()}
}

// Example is a payload for the template with every field filled in.
func (t Template) Example() Payload {
	data := make(map[string]any, len(t.Fields))
	for _, f := range t.Fields {
		data[f.Name] = f.Example
	}
	return Payload{Template: t.Name, To: "ada@example.com", Data: data}
}

// catalogue is all templates by their names, built once: every mail that is
// checked or sent looks here. Nobody changes what it holds.
var catalogue = sync.OnceValue(func() map[string]Template {
	named := map[string]Template{}
	for _, t := range Templates() {
		named[t.Name] = t
	}
	return named
})

// find returns the named template, or an error that lists those there are.
func find(name string) (Template, error) {
	if t, ok := catalogue()[name]; ok {
		return t, nil
	}
	var names []string
	for _, t := range Templates() {
		names = append(names, t.Name)
	}
	return Template{}, jobs.Invalid("template", "is not known; there are %s", strings.Join(names, ", "))
}

func welcome() Template {
	return Template{
		Name:    "welcome",
		Note:    "somebody signed up",
		Subject: "Welcome to {{.Brand.Name}}, {{.name}}",
		Reason:  "You receive this mail because this address was used to sign up.",
		Fields: []Field{
			{Name: "name", Kind: Text, Required: true, Note: "who signed up", Example: "Ada Lovelace"},
			{Name: "verifyUrl", Kind: Link, Note: "confirms the address", Example: "https://app.example.com/verify?token=3kXq"},
			{Name: "expiresIn", Kind: Text, Note: "how long verifyUrl works", Example: "24 hours"},
		},
	}
}

func accountExists() Template {
	return Template{
		Name:    "account-exists",
		Note:    "somebody signed up with an address that has an account",
		Subject: "You already have an account with {{.Brand.Name}}",
		Reason:  "You receive this mail because somebody tried to sign up with this address.",
		Fields: []Field{
			{Name: "name", Kind: Text, Required: true, Note: "whose account it is", Example: "Ada Lovelace"},
			{Name: "loginUrl", Kind: Link, Note: "where to sign in", Example: "https://app.example.com/login"},
			{Name: "resetUrl", Kind: Link, Note: "where to choose a new password", Example: "https://app.example.com/reset"},
		},
	}
}

func newsletter() Template {
	return Template{
		Name:    "newsletter",
		Note:    "an issue of a newsletter",
		Subject: "{{.title}}",
		Bulk:    true,
		Reason:  "You receive this mail because you subscribed to it.",
		Fields: []Field{
			{Name: "title", Kind: Text, Required: true, Note: "the headline", Example: "What we shipped in November"},
			{Name: "issue", Kind: Text, Note: "which issue", Example: "November 2026"},
			{Name: "intro", Kind: Prose, Note: "the words above the items", Example: "Three things changed this month.\n\nHere they are, the largest first."},
			{Name: "items", Kind: List, Note: "the articles", Of: newsletterItem(), Example: []any{
				map[string]any{"title": "Exports that stream", "text": "Files of any size, without waiting for memory.", "url": "https://example.com/blog/exports"},
				map[string]any{"title": "Reports by mail", "text": "Choose a day, and the numbers come to you.", "url": "https://example.com/blog/reports"},
				map[string]any{"title": "A quieter dashboard", "text": "It shows what needs you, and hides what does not."},
			}},
			{Name: "actionLabel", Kind: Text, Note: "the words on the button; Read more if there are none", Example: "Read it all"},
			{Name: "actionUrl", Kind: Link, Note: "where the button leads", Example: "https://example.com/blog"},
			{Name: "unsubscribeUrl", Kind: Link, InHeader: true, Note: "where to end the subscription; also in List-Unsubscribe", Example: "https://example.com/unsubscribe?u=81f3"},
			{Name: "unsubscribeOneClick", Kind: Flag, Note: "unsubscribeUrl is https and takes the POST of RFC 8058", Example: true},
		},
	}
}

func newsletterItem() []Field {
	return []Field{
		{Name: "title", Kind: Text, Required: true, Note: "the headline"},
		{Name: "text", Kind: Prose, Note: "a paragraph or two"},
		{Name: "url", Kind: Link, Note: "where to read on"},
	}
}

func exportReady() Template {
	return Template{
		Name:    "export-ready",
		Note:    "an export was made and can be downloaded",
		Subject: "Your export is ready: {{.filename}}",
		Reason:  "You receive this mail because you asked for this export.",
		Fields: []Field{
			{Name: "name", Kind: Text, Note: "who asked for it", Example: "Ada Lovelace"},
			{Name: "filename", Kind: Text, Required: true, Note: "the file's name", Example: "orders-2026-11.csv"},
			{Name: "downloadUrl", Kind: Link, Required: true, Note: "where to get the file", Example: "https://app.example.com/api/v1/artifacts/8c1f/download?sig=x2"},
			{Name: "format", Kind: Text, Note: "csv, xlsx, …", Example: "CSV"},
			{Name: "rows", Kind: Number, Note: "how many rows it has", Example: 1284330},
			{Name: "bytes", Kind: Number, Note: "how large it is", Example: 48210944},
			{Name: "expiresAt", Kind: Time, Note: "until when it can be downloaded", Example: "2026-12-01T09:30:00Z"},
		},
	}
}

func reportReady() Template {
	return Template{
		Name:    "report-ready",
		Note:    "a report was made and can be read",
		Subject: "{{.title}}{{with .period}}, {{.}}{{end}}",
		Reason:  "You receive this mail because you asked for this report or are on its list.",
		Fields: []Field{
			{Name: "name", Kind: Text, Note: "who asked for it", Example: "Ada Lovelace"},
			{Name: "title", Kind: Text, Required: true, Note: "the report's name", Example: "Monthly sales"},
			{Name: "period", Kind: Text, Note: "what it covers", Example: "1 to 30 November 2026"},
			{Name: "downloadUrl", Kind: Link, Required: true, Note: "where to get it", Example: "https://app.example.com/api/v1/artifacts/91d0/download?sig=p7"},
			{Name: "summary", Kind: Prose, Note: "the finding in words", Example: "Revenue grew by 12 % over October, most of it from returning customers."},
			{Name: "figures", Kind: List, Note: "the numbers that matter", Of: figure(), Example: []any{
				map[string]any{"label": "Revenue", "value": "€ 182,400", "change": "+12 %"},
				map[string]any{"label": "Orders", "value": "3,910", "change": "+9 %"},
				map[string]any{"label": "Average order", "value": "€ 46.65"},
			}},
			{Name: "expiresAt", Kind: Time, Note: "until when it can be downloaded", Example: "2026-12-31T00:00:00Z"},
		},
	}
}

func figure() []Field {
	return []Field{
		{Name: "label", Kind: Text, Required: true, Note: "what is counted"},
		{Name: "value", Kind: Text, Required: true, Note: "as it is to be read"},
		{Name: "change", Kind: Text, Note: "against the period before"},
	}
}

func generic() Template {
	return Template{
		Name:    "generic",
		Note:    "any other message",
		Subject: "{{or .heading (print \"A message from \" .Brand.Name)}}",
		Reason:  "You receive this mail because you have an account with us.",
		Fields: []Field{
			{Name: "heading", Kind: Text, Note: "the headline", Example: "Planned maintenance on Sunday"},
			{Name: "message", Kind: Prose, Required: true, Note: "what it says", Example: "We move to a larger database on Sunday from 06:00 to 06:30 UTC.\nSigning in will not work meanwhile.\n\nJobs that are due then run afterwards. Nothing is lost."},
			{Name: "actionLabel", Kind: Text, Note: "the words on the button; Open if there are none", Example: "See the status page"},
			{Name: "actionUrl", Kind: Link, Note: "where the button leads", Example: "https://status.example.com"},
		},
	}
}
