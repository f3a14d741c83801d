package mailcatch_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/mailcatch"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

const evil = `"><script>alert(1)</script>`

// hostile has script wherever a mail can have it.
func hostile() []byte {
	return mail(
		"From: "+evil+" <a@example.com>", "Subject: "+evil, "X-Evil: "+evil,
		"Content-Type: multipart/mixed; boundary=b", "",
		"--b", "Content-Type: text/plain", "", evil+" javascript:alert(1) https://example.com/"+evil,
		"--b", "Content-Type: text/html", "", evil+`<a href="javascript:alert(1)">x</a><a href="https://example.com/ok">y</a>`,
		"--b", `Content-Type: text/html; name="x.html"`, "Content-Disposition: attachment", "", evil,
		"--b--",
	)
}

func TestEmptyListSaysWhereToSend(t *testing.T) {
	c := start(t, mailcatch.Options{})
	page := get(t, c.Handler(), "/")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "No mail yet") || !strings.Contains(page.Body.String(), c.Addr()) {
		t.Errorf("%d: %s", page.Code, page.Body)
	}
}

func TestPagesShowTheMail(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, mail("From: Eve <eve@example.com>", "Subject: Hello", "", "Go to https://example.com/verify?token=1."))
	h := c.Handler()
	for path, wants := range map[string][]string{
		"/":            {"Hello", "ada@example.com", `href="mails/1"`},
		"/mails/1":     {"<h1>Hello</h1>", "Eve &lt;eve@example.com&gt;", `href="https://example.com/verify?token=1"`, "<pre>Go to"},
		"/mails/1/raw": {"Subject: Hello\r\n"},
	} {
		body := get(t, h, path).Body.String()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", path, want, body)
			}
		}
	}
}

func TestHostileMailRunsNowhere(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, hostile())
	h := c.Handler()
	for _, path := range []string{"/", "/mails/1"} {
		page := get(t, h, path)
		body := page.Body.String()
		if strings.Contains(body, "<script") || strings.Contains(body, `href="javascript`) {
			t.Errorf("%s lets script through:\n%s", path, body)
		}
		policy := page.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
	}
	if body := get(t, h, "/mails/1").Body.String(); !strings.Contains(body, `sandbox=""`) {
		t.Error("the frame is not sandboxed")
	}
}

func TestHTMLPartIsServedIntoASandbox(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, hostile())
	frame := get(t, c.Handler(), "/mails/1/html")
	want := map[string]string{
		"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Content-Type":            "text/html; charset=utf-8",
	}
	for key, value := range want {
		if got := frame.Header().Get(key); got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	if !strings.Contains(frame.Body.String(), "https://example.com/ok") {
		t.Errorf("the frame has %s", frame.Body)
	}
}

func TestRawAndAttachmentsAreNeverPages(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, hostile())
	raw := get(t, c.Handler(), "/mails/1/raw")
	if got := raw.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("raw is %s", got)
	}
	file := get(t, c.Handler(), "/mails/1/attachments/0")
	if file.Header().Get("Content-Type") != "application/octet-stream" ||
		file.Header().Get("Content-Disposition") != "attachment; filename=x.html" || file.Body.String() != evil {
		t.Errorf("the attachment is %v: %s", file.Header(), file.Body)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, mail("Subject: text only", "", "x"))
	h := c.Handler()
	for _, path := range []string{"/x", "/mails/2", "/mails/0", "/mails/x", "/mails/1/html", "/mails/1/attachments/0", "/mails/1/attachments/-1", "/mails/1/attachments/x", "/mails/9/raw"} {
		if got := get(t, h, path).Code; got != http.StatusNotFound {
			t.Errorf("%s is %d, want 404", path, got)
		}
	}
}

func TestListForPrograms(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, mail("Message-ID: <1@example.com>", "Subject: Hello", "", "See https://example.com/x"))
	var got struct {
		Mails []map[string]any `json:"mails"`
	}
	if err := json.Unmarshal(get(t, c.Handler(), "/mails.json").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{
		"id": 1.0, "from": "sender@example.com", "to": []any{"ada@example.com"}, "subject": "Hello", "messageId": "<1@example.com>",
		"text": "See https://example.com/x\r\n", "links": []any{"https://example.com/x"}, "attachments": []any{}, "tls": false,
		"receivedAt": got.Mails[0]["receivedAt"], "size": float64(c.Mails()[0].Size),
	}}
	if diff := cmp.Diff(want, got.Mails); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmptyListForProgramsIsAList(t *testing.T) {
	c := start(t, mailcatch.Options{})
	if got := get(t, c.Handler(), "/mails.json").Body.String(); got != `{"mails":[]}` {
		t.Errorf("got %s", got)
	}
}

func TestClearIsForThisPageOnly(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, mail("Subject: x", "", "x"))
	h := c.Handler()
	for site, want := range map[string]int{"cross-site": http.StatusForbidden, "same-origin": http.StatusSeeOther} {
		r := httptest.NewRequest(http.MethodPost, "/clear", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		before := len(c.Mails())
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s is %d, want %d", site, w.Code, want)
		}
		if forgot := len(c.Mails()) < before; forgot != (want == http.StatusSeeOther && before > 0) {
			t.Errorf("%s: %d mails before, %d after", site, before, len(c.Mails()))
		}
	}
	if got := get(t, h, "/clear").Code; got != http.StatusMethodNotAllowed {
		t.Errorf("GET is %d", got)
	}
}

func TestWorksBelowAPrefix(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, hostile())
	h := http.StripPrefix("/mail", c.Handler())
	for _, path := range []string{"/mail/", "/mail/style.css", "/mail/mails/1", "/mail/mails/1/html", "/mail/mails.json"} {
		if got := get(t, h, path).Code; got != http.StatusOK {
			t.Errorf("%s is %d", path, got)
		}
	}
	for _, path := range []string{"/mail/", "/mail/mails/1"} {
		if body := get(t, h, path).Body.String(); strings.Contains(body, `href="/`) || strings.Contains(body, `src="/`) {
			t.Errorf("%s has a link that leaves the prefix", path)
		}
	}
}
