package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/redistest"
)

// postRoutes are the routes that take a body, with one that they accept.
func postRoutes() map[string]string {
	return map[string]string{
		"/api/v1/emails":    goodEmail,
		"/api/v1/exports":   goodExport,
		"/api/v1/reports":   goodReport,
		"/api/v1/jobs":      goodJob,
		"/api/v1/jobs/bulk": `{"jobs":[{"data":` + goodJob + `}]}`,
		"/register":         `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`,
		"/verify":           `{"token":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`,
	}
}

// secretValue is in every bad request, and must not come back.
const secretValue = "SECRET-5f1c"

func TestWhatNoRouteAcceptsIsRefusedByAll(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	long := strings.Repeat("x", 300<<10)
	tests := []struct {
		name, body string
		header     []string
		status     int
	}{
		{"nothing", " ", nil, 400},
		{"malformed JSON", `{"template":"` + secretValue + `"`, nil, 400},
		{"no JSON at all", secretValue, nil, 400},
		{"something after the end", `{} ` + `"` + secretValue + `"`, nil, 400},
		{"two values", `{}{}`, nil, 400},
		{"the same key twice", `{"to":"` + secretValue + `","to":"` + secretValue + `"}`, nil, 400},
		{"the same key twice, further down", `{"data":{"a":[{"b":1,"b":2}]}}`, nil, 400},
		{"not UTF-8", "{\"to\":\"\xff\xfe" + secretValue + "\"}", nil, 400},
		{"too deep", strings.Repeat(`{"data":`, 40) + "1" + strings.Repeat("}", 40), nil, 400},
		{"too deep, with lists", `{"data":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "}", nil, 400},
		{"a number that is out of range", `{"data":{"n":1e999}}`, nil, 400},
		{"a comment", `{} // ` + secretValue, nil, 400},
		{"NaN", `{"data":NaN}`, nil, 400},
		{"a list", `["` + secretValue + `"]`, nil, 422},
		{"a text", `"` + secretValue + `"`, nil, 422},
		{"null", `null`, nil, 422},
		{"no fields", `{}`, nil, 422},
		{"another type of content", goodEmail, []string{"Content-Type", "text/plain"}, 415},
		{"no type of content", goodEmail, []string{"Content-Type", ""}, 415},
		{"another character set", goodEmail, []string{"Content-Type", "application/json; charset=latin1"}, 415},
		{"XML", "<a/>", []string{"Content-Type", "application/xml"}, 415},
		{"compressed", goodEmail, []string{"Content-Encoding", "gzip"}, 415},
		{"too large", `{"data":"` + long + `"}`, nil, 413},
	}
	for path := range postRoutes() {
		for _, test := range tests {
			t.Run(path+" "+test.name, func(t *testing.T) {
				if path == "/api/v1/jobs/bulk" && test.status == 413 {
					test.body = strings.Repeat(" ", 9<<20)
				}
				status := test.status
				if path == "/verify" && (test.body == "{}" || test.body == "null") {
					status = 400 // a link without its token is not complete
				}
				p := s.do("POST", path, test.body, test.header...)
				if strings.Contains(p.body, secretValue) {
					t.Errorf("the value comes back: %s", p.body)
				}
				p.problem(t, status)
			})
		}
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

func TestABodyThatDoesNotSayItsLengthIsBoundedToo(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	endless := io.MultiReader(strings.NewReader(`{"data":"`), &endlessText{}) // its length is not known
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.server.URL+"/api/v1/emails", endless)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", fullKey)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 413 {
		t.Errorf("status %d", response.StatusCode)
	}
}

// endlessText is x for ever.
type endlessText struct{}

func (endlessText) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for path, body := range postRoutes() {
		p := s.do("POST", path, `{"isAdmin":"`+secretValue+`",`+body[1:]).problem(t, 422)
		if path != "/verify" && fields(p) != "isAdmin" {
			t.Errorf("%s: fields %q", path, fields(p))
		}
		if strings.Contains(fmt.Sprint(p), secretValue) {
			t.Errorf("%s: the value comes back", path)
		}
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

// with puts something in the place of a part of a good body.
func with(body, part, other string) string {
	if !strings.Contains(body, part) {
		panic(part + " is not in " + body)
	}
	return strings.Replace(body, part, other, 1)
}

func TestBadPayloadsNameTheirField(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	emails, exports, reports, all := "/api/v1/emails", "/api/v1/exports", "/api/v1/reports", "/api/v1/jobs"
	query := func(q string) string { return with(goodExport, `"query":{}`, `"query":`+q) }
	dates := func(start, end string) string {
		return fmt.Sprintf(`{"reportType":"usage","dateRange":{"start":%q,"end":%q},"tenantId":"acme"}`, start, end)
	}
	tests := []struct{ name, path, body, field string }{
		{"template is missing", emails, with(goodEmail, `"template":"welcome",`, ""), "template"},
		{"template is a number", emails, with(goodEmail, `"welcome"`, "1"), "template"},
		{"template is unknown", emails, with(goodEmail, "welcome", secretValue), "template"},
		{"template leads elsewhere", emails, with(goodEmail, "welcome", "../../etc/passwd"), "template"},
		{"to is no address", emails, with(goodEmail, "ada@example.com", secretValue), "to"},
		{"to is two addresses", emails, with(goodEmail, "ada@example.com", "a@example.com,b@example.com"), "to"},
		{"to has a header", emails, with(goodEmail, "ada@example.com", `ada@example.com\r\nBcc: eve@example.com`), "to"},
		{"to is null", emails, with(goodEmail, `"ada@example.com"`, "null"), "to"},
		{"subject has a line break", emails, with(goodEmail, `"to"`, `"subject":"a\nBcc: b","to"`), "subject"},
		{"data lacks a field", emails, with(goodEmail, `"name":"Ada",`, ""), "data.name"},
		{"data has another type", emails, with(goodEmail, `"name":"Ada"`, `"name":["`+secretValue+`"]`), "data.name"},
		{"data is a list", emails, with(goodEmail, `"data":{`, `"data":[],"x":{`), "data,x"},
		{"a link is a script", emails, with(goodEmail, "https://tandem.example/verify?token=x", "javascript:alert(1)"), "data.verifyUrl"},

		{"format is unknown", exports, with(goodExport, `"csv"`, `"doc"`), "format"},
		{"dataset is unknown", exports, query(`{"dataset":"` + secretValue + `"}`), "query.dataset"},
		{"column is unknown", exports, query(`{"columns":["password_hash"]}`), "query.columns[0]"},
		{"filter is unknown", exports, query(`{"where":{"1=1; --":1}}`), ""},
		{"query is a text", exports, query(`"SELECT 1"`), "query"},
		{"user is missing", exports, with(goodExport, `,"userId":"ada"`, ""), "userId"},

		{"report is unknown", reports, with(goodReport, `"usage"`, `"`+secretValue+`"`), "reportType"},
		{"day is impossible", reports, dates("2026-02-30", "2026-03-01"), "dateRange.start"},
		{"month is impossible", reports, dates("2026-01-01", "2026-13-01"), "dateRange.end"},
		{"range is empty", reports, dates("2026-02-01", "2026-02-01"), ""},
		{"range is backwards", reports, dates("2026-02-01", "2026-01-01"), ""},
		{"range is endless", reports, dates("1970-01-01", "2026-01-01"), ""},
		{"dates are mixed", reports, dates("2026-01-01", "2026-01-02T00:00:00Z"), ""},
		{"tenant is empty", reports, with(goodReport, `"acme"`, `""`), "tenantId"},
		{"range is a text", reports, with(goodReport, `{"start":"2026-01-01","end":"2026-02-01"}`, `"`+secretValue+`"`), "dateRange"},

		{"type is unknown", all, with(goodJob, `"email"`, `"`+secretValue+`"`), "type"},
		{"type is missing", all, with(goodJob, `"type":"email",`, ""), "type"},
		{"payload is missing", all, `{"type":"email"}`, "payload"},
		{"payload is a text", all, `{"type":"email","payload":"` + secretValue + `"}`, "payload"},
		{"payload is of another type", all, `{"type":"report","payload":` + goodExport + `}`, ""},
		{"payload has an unknown field", all, `{"type":"email","payload":{"evil":1,` + goodEmail[1:] + `}`, "payload.evil"},
		{"payload is bad", all, with(goodJob, "ada@example.com", secretValue), "payload.to"},
		{"the report is not named", all, `{"type":"email-report","payload":{"reportJobId":"","to":"a@example.com"}}`, "payload.reportJobId"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := s.do("POST", test.path, test.body)
			if strings.Contains(a.body, secretValue) {
				t.Errorf("the value comes back: %s", a.body)
			}
			p := a.problem(t, 422)
			if got := fields(p); test.field != "" && got != test.field || got == "" {
				t.Errorf("fields %q, want %q: %s", got, test.field, a.body)
			}
		})
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

func TestBadOptionsNameTheirField(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	tests := []struct{ options, field string }{
		{`{"priority":"urgent"}`, "priority"}, {`{"priority":0}`, "priority"}, {`{"priority":2097152}`, "priority"},
		{`{"priority":1.5}`, "priority"}, {`{"priority":"5"}`, "priority"}, {`{"priority":""}`, "priority"},
		{`{"priority":null}`, "priority"}, {`{"priority":{"a":1}}`, "priority"}, {`{"priority":-1}`, "priority"},
		{`{"maxAttempts":0}`, "maxAttempts"}, {`{"maxAttempts":-1}`, "maxAttempts"}, {`{"maxAttempts":"3"}`, "maxAttempts"},
		{`{"maxAttempts":1.5}`, "maxAttempts"}, {`{"maxAttempts":1e9}`, "maxAttempts"},
		{`{"delay":-1}`, "delay"}, {`{"delay":1e15}`, "delay"}, {`{"delay":"60s"}`, "delay"}, {`{"delay":1e3}`, "delay"},
		{`{"runAt":"tomorrow"}`, "runAt"}, {`{"runAt":"2026-02-30T00:00:00Z"}`, "runAt"}, {`{"runAt":"2099-01-01T00:00:00Z"}`, "runAt"},
		{`{"runAt":1}`, "runAt"}, {`{"delay":5,"runAt":"2026-12-01T00:00:00Z"}`, "runAt"},
		{`{"timeout":0}`, "timeout"}, {`{"timeout":-5}`, "timeout"}, {`{"timeout":1e12}`, "timeout"},
		{`{"backoff":{"type":"random","delay":1}}`, "backoff.type"}, {`{"backoff":{"delay":1}}`, "backoff.type"},
		{`{"backoff":{"type":"fixed"}}`, "backoff.delay"}, {`{"backoff":{"type":"fixed","delay":-1}}`, "backoff.delay"},
		{`{"backoff":{"type":"fixed","delay":1,"jitter":2}}`, "backoff.jitter"}, {`{"backoff":5}`, "backoff"},
		{`{"backoff":{"type":"fixed","delay":1,"__proto__":{}}}`, "backoff.__proto__"},
		{`{"jobId":"12"}`, "jobId"}, {`{"jobId":"a:b"}`, "jobId"}, {`{"jobId":"a:b:c"}`, "jobId"}, {`{"jobId":"a/b"}`, "jobId"},
		{`{"jobId":"wait"}`, "jobId"}, {`{"jobId":"a b"}`, "jobId"}, {`{"jobId":"../x"}`, "jobId"},
		{`{"jobId":"` + strings.Repeat("x", 129) + `"}`, "jobId"}, {`{"jobId":"a\u0000b"}`, "jobId"}, {`{"jobId":5}`, "jobId"},
		{`{"parent":{"id":"1","queue":"bull:x"}}`, "parent"}, {`{"repeat":{"every":1}}`, "repeat"}, {`{"rjk":"x"}`, "rjk"},
		{`{"deid":"x"}`, "deid"}, {`{"__proto__":{}}`, "__proto__"}, {`{"attempts":5}`, "attempts"}, {`{"lifo":true}`, "lifo"},
		{`{"removeOnComplete":true}`, "removeOnComplete"},
	}
	for _, test := range tests {
		t.Run(test.options, func(t *testing.T) {
			p := s.do("POST", "/api/v1/emails", strings.TrimSuffix(goodEmail, "}")+`,"options":`+test.options+`}`).problem(t, 422)
			if got := fields(p); got != "options."+test.field {
				t.Errorf("fields %q, want options.%s", got, test.field)
			}
		})
	}
	for _, options := range []string{`5`, `"x"`, `[]`} {
		s.do("POST", "/api/v1/emails", strings.TrimSuffix(goodEmail, "}")+`,"options":`+options+`}`).problem(t, 422)
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
}

func TestBadQueriesOfRoutesAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for path, field := range map[string]string{
		"/api/v1/jobs/email/x?wait=soon":                     "wait",
		"/api/v1/jobs/email/x?wait=-1s":                      "wait",
		"/api/v1/jobs/email/x?wait=2h":                       "wait",
		"/api/v1/jobs/email/x?wiat=1s":                       "wiat",
		"/api/v1/jobs/email/" + strings.Repeat("x", 300):     "id",
		"/api/v1/queues/email/jobs":                          "status",
		"/api/v1/queues/email/jobs?status=done":              "status",
		"/api/v1/queues/email/jobs?status=failed&limit=0":    "limit",
		"/api/v1/queues/email/jobs?status=failed&limit=1000": "limit",
		"/api/v1/queues/email/jobs?status=failed&limit=x":    "limit",
		"/api/v1/queues/email/jobs?status=failed&cursor=!":   "cursor",
		"/api/v1/queues/email/jobs?status=failed&cursor=e30": "cursor",
		"/api/v1/queues/email/jobs?status=failed&offset=5":   "offset",
		"/api/v1/queues/email?x=1":                           "x",
	} {
		if p := s.do("GET", path, "").problem(t, 422); fields(p) != field {
			t.Errorf("%s: fields %q, want %q", path, fields(p), field)
		}
	}
	s.do("POST", "/api/v1/jobs/bulk?partial=maybe", `{"jobs":[{"data":`+goodJob+`}]}`).problem(t, 422)
}

func TestDataOverItsLimitIsTooLarge(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	large := with(goodEmail, `"name":"Ada"`, `"more":"`+strings.Repeat("x", 70<<10)+`","name":"Ada"`)
	s.do("POST", "/api/v1/emails", large).problem(t, 413)
	p := s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[{"data":{"type":"email","payload":`+large+`}}]}`).problem(t, 422)
	if fields(p) != "jobs[0].data" || s.stored() != 0 {
		t.Errorf("%+v, %d stored", p, s.stored())
	}
}

func TestOtherMethodsAndAddressesAreProblems(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for _, path := range []string{"/", "/api", "/api/v1", "/api/v1/emails/", "/api/v2/emails", "/api/v1/jobs/email", "/nope", "//api/v1/emails", "/api/v1/artifacts/x"} {
		s.do("GET", path, "").problem(t, 404)
	}
	allows := map[string]string{"/verify": "GET, HEAD, POST", "/api/v1/queues": "GET, HEAD", "/api/v1/jobs/email/1": "GET, HEAD", "/openapi.json": "GET, HEAD"}
	for path := range postRoutes() {
		if path != "/verify" {
			allows[path] = "POST"
		}
	}
	for path, allow := range allows {
		for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} {
			if a := s.do(method, path, ""); a.problem(t, 405).Detail == "" || a.header.Get("Allow") != allow {
				t.Errorf("%s %s allows %q, want %q", method, path, a.header.Get("Allow"), allow)
			}
		}
	}
	for path := range postRoutes() {
		if path != "/verify" {
			s.do("GET", path, "").problem(t, http.StatusMethodNotAllowed)
		}
	}
}

func TestTheGuardRefusesJobsThatCouldBeLost(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.Fit = func() error { return fmt.Errorf("maxmemory-policy is allkeys-lru at redis-7") }
	})
	for path, body := range postRoutes() {
		if !strings.HasPrefix(path, "/api") {
			continue
		}
		a := s.do("POST", path, body)
		if p := a.problem(t, 503); strings.Contains(p.Detail, "redis-7") || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %s, Retry-After %q", path, a.body, a.header.Get("Retry-After"))
		}
	}
	if n := s.stored(); n != 0 {
		t.Errorf("%d jobs were stored", n)
	}
	if !strings.Contains(s.logs.String(), "allkeys-lru") {
		t.Error("the reason is not in the logs")
	}
}
