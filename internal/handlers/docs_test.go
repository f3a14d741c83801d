package handlers_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/redistest"
)

func TestTheDocumentIsWhole(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withHealth)
	type operation struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Security    []map[string][]string `json:"security"`
		RequestBody *struct {
			Content map[string]struct{ Schema json.RawMessage } `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Content map[string]struct{ Schema json.RawMessage } `json:"content"`
		} `json:"responses"`
	}
	document := decode[struct {
		OpenAPI    string                          `json:"openapi"`
		Paths      map[string]map[string]operation `json:"paths"`
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}](t, s.do("GET", "/openapi.json", ""))
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("version %s", document.OpenAPI)
	}
	ids := map[string]bool{}
	for path, methods := range document.Paths {
		for method, op := range methods {
			name := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s: id %q, summary %q", name, op.OperationID, op.Summary)
			}
			ids[op.OperationID] = true
			if secured := len(op.Security) > 0; secured != strings.HasPrefix(path, "/api/v1") {
				t.Errorf("%s: security %v", name, op.Security)
			}
			if (method == "post") != (op.RequestBody != nil) {
				t.Errorf("%s: request body %v", name, op.RequestBody)
			}
			for status, response := range op.Responses {
				for contentType, media := range response.Content {
					if len(media.Schema) == 0 {
						t.Errorf("%s %s: no schema for %s", name, status, contentType)
					}
					if status >= "400" && status != "503" && contentType != "application/problem+json" {
						t.Errorf("%s %s is %s", name, status, contentType)
					}
				}
			}
		}
	}
	for _, ref := range regexp.MustCompile(`#/components/schemas/(\w+)`).FindAllStringSubmatch(s.do("GET", "/openapi.json", "").body, -1) {
		if document.Components.Schemas[ref[1]] == nil {
			t.Errorf("schema %s is missing", ref[1])
		}
	}
	if strings.Contains(s.do("GET", "/openapi.json", "").body, "ErrorModel") {
		t.Error("the document describes errors that are not ours")
	}
}

func TestEveryExampleIsAccepted(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	document := decode[struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct {
					Example json.RawMessage `json:"example"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}](t, s.do("GET", "/openapi.json", ""))
	for path := range postRoutes() {
		example := document.Paths[path]["post"].RequestBody.Content["application/json"].Example
		if path == "/verify" {
			continue // its token comes by mail
		}
		if a := s.do("POST", path, string(example)); a.status >= 300 {
			t.Errorf("%s: %s is answered with %d: %s", path, example, a.status, a.body)
		}
	}
}

// TestTheDocumentIsTheRouter asks for everything that the document lists: what
// the router does not have would be a 404 or a 405 of the router.
func TestTheDocumentIsTheRouter(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withHealth)
	routes := s.routes()
	if diff := cmp.Diff(s.api.Routes(), slices.Sorted(slices.Values(routes))); diff != "" {
		t.Errorf("the router and the document (-router +document):\n%s", diff)
	}
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{queue}", "email", "{id}", "x").Replace(path)
		a := s.do(method, path, "")
		if a.status == 405 || strings.Contains(a.body, "There is nothing at this address.") {
			t.Errorf("%s: %d %s", route, a.status, a.body)
		}
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withHealth)
	page := s.do("GET", "/docs", "").want(t, 200).body
	for _, bad := range []string{"<script", "style=", "<style", "onclick", "//unpkg", "cdn."} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, link := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		anchor, internal := strings.CutPrefix(link[1], "#")
		switch {
		case internal && !strings.Contains(page, `id="`+anchor+`"`):
			t.Errorf("the page has no %s", link[1])
		case !internal && link[1] != "/docs/style.css" && link[1] != "/openapi.json":
			t.Errorf("the page leads to %s", link[1])
		}
	}
	for _, route := range s.routes() {
		if _, path, _ := strings.Cut(route, " "); !strings.Contains(page, ">"+path+"<") {
			t.Errorf("the page does not tell of %s", route)
		}
	}
	for _, kind := range []string{"malformed", "invalid", "unavailable", "gone"} {
		if !strings.Contains(page, `id="`+kind+`"`) {
			t.Errorf("the page does not tell of the problem %s", kind)
		}
	}
	if css := s.do("GET", "/docs/style.css", ""); !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") || strings.Contains(css.body, "url(") {
		t.Errorf("style %v", css.header)
	}
}
