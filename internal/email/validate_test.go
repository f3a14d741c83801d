package email_test

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/jobs"
)

func TestEveryExampleIsValid(t *testing.T) {
	for _, template := range email.Templates() {
		for name, p := range map[string]email.Payload{"from Go": template.Example(), "from JSON": throughJSON(template.Example())} {
			if err := email.Validate(p); err != nil {
				t.Errorf("%s %s: %v", template.Name, name, err)
			}
		}
	}
}

func TestEveryRequiredFieldIsMissed(t *testing.T) {
	for _, template := range email.Templates() {
		for _, f := range template.Fields {
			if !f.Required {
				continue
			}
			for name, nothing := range map[string]any{"null": nil, "empty": ""} {
				p := template.Example()
				p.Data[f.Name] = nothing
				checkField(t, template.Name+" "+name, email.Validate(p), "data."+f.Name)
			}
			p := template.Example()
			delete(p.Data, f.Name)
			checkField(t, template.Name, email.Validate(p), "data."+f.Name)
		}
	}
}

func TestEveryFieldRefusesAnotherKind(t *testing.T) {
	for _, template := range email.Templates() {
		for _, f := range template.Fields {
			for _, wrong := range []any{map[string]any{}, []any{1}, -1.5, "\x00"} {
				p := template.Example()
				p.Data[f.Name] = wrong
				checkField(t, template.Name, email.Validate(p), "data."+f.Name)
			}
		}
	}
}

// checkField wants an ErrInvalid that names the field.
func checkField(t *testing.T, what string, err error, field string) {
	t.Helper()
	invalid, ok := errors.AsType[*jobs.ValidationError](err)
	if !ok || !errors.Is(err, jobs.ErrInvalid) || invalid.Field != field {
		t.Errorf("%s: got %v, want a complaint about %s", what, err, field)
	}
}

func TestUnknownTemplateListsTheKnownOnes(t *testing.T) {
	err := email.Validate(email.Payload{Template: "nonsense<script>", To: "ada@example.com"})
	checkField(t, "template", err, "template")
	for _, template := range email.Templates() {
		if !strings.Contains(err.Error(), template.Name) {
			t.Errorf("%q does not mention %s", err, template.Name)
		}
	}
}

// breaks are the characters that could end a header's line, and some more that
// have no place in one.
var breaks = []string{"\r\nBcc: eve@example.com", "\n", "\r", "\x00", "\x1b[2J", "\x7f", "\u0085", "\u2028", "\u2029", "\xff"}

func TestNothingThatBreaksALineReachesAHeader(t *testing.T) {
	for _, bad := range breaks {
		subject := greeting("ada@example.com")
		subject.Subject = "Hello" + bad
		checkField(t, "subject", email.Validate(subject), "subject")

		name := greeting("ada@example.com")
		name.Data["name"] = "Ada" + bad
		checkField(t, "name, which is in the subject", email.Validate(name), "data.name")

		for _, to := range []string{"ada@example.com" + bad, bad + "ada@example.com", "ada" + bad + "@example.com", "ada@exam" + bad + "ple.com"} {
			checkField(t, "to", email.Validate(greeting(to)), "to")
		}

		link := email.Payload{Template: "newsletter", To: "ada@example.com", Data: map[string]any{
			"title": "x", "intro": "x", "unsubscribeUrl": "https://example.com/" + bad,
		}}
		checkField(t, "unsubscribeUrl, which is in a header", email.Validate(link), "data.unsubscribeUrl")
	}
}

func TestAddresses(t *testing.T) {
	good := map[string]string{
		"ada@example.com":                      "ada@example.com",
		"Ada.L+news@Example.COM":               "Ada.L+news@example.com",
		"o'neil@example.com":                   "o'neil@example.com",
		"ada@bücher.example":                   "ada@xn--bcher-kva.example",
		"ada@xn--bcher-kva.example":            "ada@xn--bcher-kva.example",
		"a@b.co":                               "a@b.co",
		strings.Repeat("x", 64) + "@a.example": strings.Repeat("x", 64) + "@a.example",
	}
	for address, want := range good {
		if got, err := email.ParseAddress("to", address); err != nil || got != want {
			t.Errorf("%s: got %q, %v", address, got, err)
		}
	}
	bad := []string{
		"", "ada", "@example.com", "ada@", "ada@@example.com", "ada@example.com,bob@example.com", "ada@example.com;bob@example.com",
		"Ada <ada@example.com>", "<ada@example.com>", "ada@example.com (Ada)", `"ada x"@example.com`, "ada x@example.com",
		".ada@example.com", "ada.@example.com", "a..da@example.com", "ada@localhost", "ada@127.0.0.1", "ada@[127.0.0.1]",
		"ada@-example.com", "ada@exam_ple.com", "ada@example..com", "ada@.example.com", "ada@example.com.", "ädä@example.com", " ada@example.com", "ada@example.com ",
		strings.Repeat("x", 65) + "@example.com", "a@" + strings.Repeat("b.", 126) + "com", "a@" + strings.Repeat("b", 64) + ".com",
	}
	for _, address := range bad {
		_, err := email.ParseAddress("to", address)
		checkField(t, address, err, "to")
		if err != nil && strings.Contains(err.Error(), "ada") {
			t.Errorf("the error repeats the address: %v", err)
		}
	}
}

func TestMaskShowsNoMoreThanItMust(t *testing.T) {
	cases := map[string]string{
		"ada@example.com": "a***@example.com", "A@Example.COM": "A***@example.com",
		"": "***", "ada": "***", "@example.com": "***", "a\r\n@example.com": "***", "ädä@example.com": "***",
	}
	for address, want := range cases {
		if got := email.Mask(address); got != want {
			t.Errorf("Mask(%q) is %q, want %q", address, got, want)
		}
	}
}

func TestLinks(t *testing.T) {
	good := []string{"https://example.com", "http://localhost:8080/verify?token=a_b-c", "https://example.com/%C3%A4?x=1&y=[2]#z", "https://[::1]/"}
	bad := []string{
		"javascript:alert(1)", "JavaScript://example.com/%0aalert(1)", "data:text/html,x", "ftp://example.com", "mailto:ada@example.com",
		"//example.com", "/verify", "example.com", "https://", "https:///x", "https://ada:secret@example.com", "https://exämple.com",
		"https://example.com/a b", "https://example.com/>", `https://example.com/"`, "https://example.com/%zz",
		"https://example.com/" + strings.Repeat("x", 2000),
	}
	payload := func(link string) email.Payload {
		p := greeting("ada@example.com")
		p.Data["verifyUrl"] = link
		return p
	}
	for _, link := range good {
		if err := email.Validate(payload(link)); err != nil {
			t.Errorf("%s: %v", link, err)
		}
	}
	for _, link := range bad {
		checkField(t, link, email.Validate(payload(link)), "data.verifyUrl")
	}
}

func TestRulesBetweenFields(t *testing.T) {
	cases := map[string]struct {
		data  map[string]any
		field string
	}{
		"an issue without content":        {map[string]any{"title": "x"}, "data.items"},
		"one click without a link":        {map[string]any{"title": "x", "intro": "x", "unsubscribeOneClick": true}, "data.unsubscribeUrl"},
		"one click over an open line":     {map[string]any{"title": "x", "intro": "x", "unsubscribeOneClick": true, "unsubscribeUrl": "http://example.com"}, "data.unsubscribeUrl"},
		"an item without a title":         {map[string]any{"title": "x", "items": []any{map[string]any{"title": "a"}, map[string]any{}}}, "data.items[1].title"},
		"a header's link that is long":    {map[string]any{"title": "x", "intro": "x", "unsubscribeUrl": "https://example.com/" + strings.Repeat("x", 900)}, "data.unsubscribeUrl"},
		"more items than anyone reads":    {map[string]any{"title": "x", "items": make([]map[string]any, 51)}, "data.items"},
		"a title longer than a subject's": {map[string]any{"title": strings.Repeat("x", 501), "intro": "x"}, "data.title"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := email.Validate(email.Payload{Template: "newsletter", To: "ada@example.com", Data: c.data})
			checkField(t, name, err, c.field)
		})
	}
}

func TestNumbersAndTimesAreTakenFromGoToo(t *testing.T) {
	values := map[string][]any{
		"rows":      {7, int64(7), 7.0, json.Number("7")},
		"expiresAt": {"2026-12-01T10:30:00+01:00", time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC)},
	}
	for field, same := range values {
		var texts []string
		for _, value := range same {
			p := email.Templates()[3].Example()
			p.Data[field] = value
			_, text, _, err := email.Render(p)
			if err != nil {
				t.Fatalf("%s as %T: %v", field, value, err)
			}
			texts = append(texts, text)
		}
		for _, text := range texts[1:] {
			if diff := cmp.Diff(texts[0], text); diff != "" {
				t.Errorf("%s:\n%s", field, diff)
			}
		}
	}
}

func TestNoRowsAreShownAsNone(t *testing.T) {
	p := email.Templates()[3].Example()
	p.Data["rows"] = 0
	_, text, html, err := email.Render(p)
	if err != nil || !strings.Contains(text, "Rows: 0") || !strings.Contains(html, ">0</td>") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestLongNamesMakeNoLongSubjects(t *testing.T) {
	p := greeting("ada@example.com")
	p.Data["name"] = strings.Repeat("ä", 500)
	subject, _, _, err := email.Render(p)
	if n := len([]rune(subject)); err != nil || n != 200 || !strings.HasSuffix(subject, "ä…") {
		t.Errorf("%d characters, %v", n, err)
	}
}

func TestMarkupIsEscaped(t *testing.T) {
	const markup = `<script>alert("x")</script><img src=x onerror=alert(1)> {{.Brand}} '`
	for _, template := range email.Templates() {
		p := template.Example()
		for _, f := range template.Fields {
			if f.Kind == email.Text || f.Kind == email.Prose {
				p.Data[f.Name] = markup
			}
		}
		r := newRenderer(t, email.Brand{Name: markup, Contact: markup})
		mail, err := r.Render(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(mail.HTML, "<script") || strings.Contains(mail.HTML, "<img") {
			t.Errorf("%s lets markup through", template.Name)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, template := range email.Templates() {
		for _, p := range []email.Payload{template.Example(), least(template)} {
			seed, err := json.Marshal(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(seed))
		}
	}
	f.Add(`{"template":"welcome","to":"a@b.c\r\nBcc: x@y.z","data":{"name":"\u0000"}}`)
	renderer, err := email.NewRenderer(email.Brand{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var p email.Payload
		if json.Unmarshal([]byte(body), &p) != nil {
			return
		}
		before := maps.Clone(p.Data)
		err := email.Validate(p)
		if diff := cmp.Diff(before, p.Data); diff != "" {
			t.Errorf("Validate changed the data:\n%s", diff)
		}
		if err != nil {
			if !errors.Is(err, jobs.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
			return
		}
		mail, err := renderer.Render(p)
		if err != nil {
			t.Fatalf("a valid payload was not rendered: %v", err)
		}
		if strings.ContainsFunc(mail.Subject, func(r rune) bool { return r < ' ' || r == 0x7f }) || mail.Subject == "" {
			t.Errorf("subject %q", mail.Subject)
		}
		address, err := email.ParseAddress("to", p.To)
		if err != nil || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("address %q, %v", address, err)
		}
		again, err := email.ParseAddress("to", address)
		if err != nil || again != address {
			t.Errorf("%q became %q, %v", address, again, err)
		}
	})
}
