package render_test

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/tandemq/tandem/internal/report/document"
	"github.com/tandemq/tandem/internal/report/render"
)

func renderer(t testing.TB) *render.Renderer {
	t.Helper()
	r, err := render.New()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func page(t testing.TB, doc document.Document) (text string, root *html.Node) {
	t.Helper()
	body, err := renderer(t).HTML(doc)
	if err != nil {
		t.Fatal(err)
	}
	root, err = html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return string(body), root
}

// The elements that a page may consist of. None of them loads or runs anything.
var pageElements = strings.Fields(`html head meta title style body main header p h1 h2 small dl div dt dd span
	section figure figcaption ul li i table caption thead tbody tfoot tr th td footer svg g path text circle rect line`)

var (
	externalReference = regexp.MustCompile(`(?i)^(src|href|xlink:href|srcset|action|formaction|poster|background|data|ping|style|on.*)$`)
	loadingStyle      = regexp.MustCompile(`(?i)url\(|@import|expression|javascript`)
)

func TestAPageLoadsAndRunsNothingWhateverTheTextsSay(t *testing.T) {
	for _, s := range append(makeSamples(t), hostileSample()) {
		t.Run(s.name, func(t *testing.T) {
			text, root := page(t, s.doc)
			leave(t, s.name+".html", []byte(text))
			checkHarmless(t, root)
		})
	}
}

func checkHarmless(t *testing.T, root *html.Node) {
	t.Helper()
	allowed := make(map[string]bool)
	for _, name := range pageElements {
		allowed[name] = true
	}
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		if !allowed[node.Data] {
			t.Errorf("the page has a <%s>", node.Data)
		}
		for _, a := range node.Attr {
			if externalReference.MatchString(a.Key) {
				t.Errorf("<%s> has %s=%q", node.Data, a.Key, a.Val)
			}
		}
		if node.Data == "style" && loadingStyle.MatchString(node.FirstChild.Data) {
			t.Error("the style sheet loads something")
		}
	}
}

func TestAPageCarriesThePolicyThatItsStyleSheetSatisfies(t *testing.T) {
	text, root := page(t, hostileSample().doc)
	var policy string
	for node := range root.Descendants() {
		for _, a := range node.Attr {
			if a.Key == "content" && strings.HasPrefix(a.Val, "default-src") {
				policy = a.Val
			}
		}
	}
	if policy != render.PagePolicy() {
		t.Errorf("policy = %q, want %q", policy, render.PagePolicy())
	}
	if strings.Contains(policy, "unsafe") || strings.Count(text, "<style") != 1 {
		t.Errorf("policy %q does not fit a page with %d style sheets", policy, strings.Count(text, "<style"))
	}
}

// A table is named, and each of its cells is under a heading.
func TestTablesAndChartsAreAccessible(t *testing.T) {
	for _, s := range makeSamples(t) {
		_, root := page(t, s.doc)
		for node := range root.Descendants() {
			if node.Type != html.ElementNode {
				continue
			}
			switch node.Data {
			case "table":
				if node.FirstChild == nil || !hasChild(node, "caption") {
					t.Errorf("%s: a table has no caption", s.name)
				}
			case "th":
				if attribute(node, "scope") == "" {
					t.Errorf("%s: a heading of a table has no scope", s.name)
				}
			case "svg":
				if attribute(node, "role") != "img" || attribute(node, "aria-label") == "" {
					t.Errorf("%s: a chart has no words", s.name)
				}
			}
		}
	}
}

func hasChild(node *html.Node, name string) bool {
	for child := range node.ChildNodes() {
		if child.Data == name {
			return true
		}
	}
	return false
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// The colours of a chart are classes, so that a dark page can choose others:
// one colour written out would be unreadable there.
func TestChartsHaveNoColoursOfTheirOwn(t *testing.T) {
	for _, s := range makeSamples(t) {
		_, root := page(t, s.doc)
		for node := range root.Descendants() {
			for _, a := range node.Attr {
				if (a.Key == "fill" || a.Key == "stroke") && a.Val != "none" {
					t.Errorf("%s: <%s %s=%q>", s.name, node.Data, a.Key, a.Val)
				}
			}
		}
	}
}

func TestNoTextReordersOrHidesAnother(t *testing.T) {
	r, doc := renderer(t), hostileSample().doc
	words := func(doc document.Document) ([]byte, error) {
		pdf, err := r.PDF(doc)
		return []byte(pdfWords(t, pdf)), err
	}
	for name, draw := range map[string]func(document.Document) ([]byte, error){"html": r.HTML, "json": r.JSON, "pdf": words} {
		body, err := draw(doc)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "alert(1)") {
			t.Errorf("%s does not hold the hostile text at all", name)
		}
		for _, bad := range []string{"\u202e", `\u202e`, "\x1b", `\u001b`, "\x00", `\u0000`} {
			if strings.Contains(string(body), bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}
