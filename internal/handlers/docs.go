package handlers

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed assets
var assets embed.FS

// render makes everything that does not change while the program runs.
func (a *API) render() (err error) {
	if a.spec, err = json.Marshal(a.huma.OpenAPI()); err != nil {
		return fmt.Errorf("openapi: %w", err)
	}
	pages, err := template.ParseFS(assets, "assets/*.html")
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	a.verifyPage = pages.Lookup("verify.html")
	var text bytes.Buffer
	if err := pages.ExecuteTemplate(&text, "docs.html", a.document()); err != nil {
		return fmt.Errorf("docs: %w", err)
	}
	a.docsPage = text.Bytes()
	return nil
}

// document is the page of the API: what the OpenAPI says, for reading.
type document struct {
	Title, About string
	Groups       []docGroup
	Problems     []docProblem
	Schemas      []docSchema
}

type docGroup struct {
	Name, About string
	Operations  []docOperation
}

type docOperation struct {
	ID, Method, Path, Summary, About string
	Parameters                       []docField
	Body                             string // name of a schema
	Example                          string // of the body
	Answers                          []docAnswer
	Problems                         []docAnswer
}

type docAnswer struct{ Status, About, Schema, Type string }

type docProblem struct {
	Name, Title, About string
	Status             int
}

type docSchema struct {
	Name   string
	Fields []docField
}

type docField struct {
	Name, Type, About, Example string
	Ref                        string // name of a schema
	Required                   bool
}

func (a *API) document() document {
	spec := a.huma.OpenAPI()
	d := document{Title: spec.Info.Title, About: spec.Info.Description, Schemas: docSchemas(spec)}
	for _, k := range kinds {
		d.Problems = append(d.Problems, docProblem{k.name, k.title, k.about, k.status})
	}
	for _, tag := range spec.Tags {
		d.Groups = append(d.Groups, docGroup{tag.Name, tag.Description, docOperations(a.routes(), spec, tag.Name)})
	}
	return d
}

func docOperations(routes []*route, spec *huma.OpenAPI, tag string) []docOperation {
	var all []docOperation
	for _, r := range routes {
		if op := operationAt(spec, r); slices.Contains(op.Tags, tag) {
			answers, problems := docAnswers(op.Responses)
			all = append(all, docOperation{
				ID: op.OperationID, Method: r.method, Path: r.path, Summary: op.Summary,
				About: strings.ReplaceAll(op.Description, "`", ""), Parameters: docParams(op.Parameters),
				Body: bodyOf(op.RequestBody), Example: exampleOf(op.RequestBody), Answers: answers, Problems: problems,
			})
		}
	}
	return all
}

func operationAt(spec *huma.OpenAPI, r *route) *huma.Operation {
	if r.method == http.MethodPost {
		return spec.Paths[r.path].Post
	}
	return spec.Paths[r.path].Get
}

func docParams(params []*huma.Param) []docField {
	var all []docField
	for _, p := range params {
		all = append(all, docField{Name: p.Name + " (" + p.In + ")", Type: typeName(p.Schema), About: p.Description, Required: p.Required, Example: example(p.Schema)})
	}
	return all
}

func bodyOf(body *huma.RequestBody) string {
	if body == nil {
		return ""
	}
	return refName(body.Content["application/json"].Schema)
}

// exampleOf is the example of a body, set out for reading.
func exampleOf(body *huma.RequestBody) string {
	if body == nil {
		return ""
	}
	raw, _ := body.Content["application/json"].Example.(json.RawMessage)
	var text bytes.Buffer
	if json.Indent(&text, raw, "", "  ") != nil {
		return ""
	}
	return text.String()
}

// docAnswers tells answers from problems.
func docAnswers(responses map[string]*huma.Response) (answers, problems []docAnswer) {
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		answer := docAnswer{Status: status, About: responses[status].Description}
		for contentType, media := range responses[status].Content {
			answer.Schema, answer.Type = refName(media.Schema), contentType
		}
		if answer.Type == problemJSON {
			problems = append(problems, answer)
		} else {
			answers = append(answers, answer)
		}
	}
	return answers, problems
}

func docSchemas(spec *huma.OpenAPI) []docSchema {
	var all []docSchema
	known := spec.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		all = append(all, docSchema{name, docFields(known[name])})
	}
	return all
}

func docFields(s *huma.Schema) []docField {
	var all []docField
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		all = append(all, docField{
			Name: name, Type: typeName(p), About: p.Description, Ref: refName(p),
			Required: slices.Contains(s.Required, name), Example: example(p),
		})
	}
	return all
}

// typeName is a schema in a word or two.
func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return ""
	case s.Type == huma.TypeArray:
		return "list"
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i] = fmt.Sprint(v)
		}
		return strings.Join(words, " | ")
	case s.Format != "":
		return s.Type + ", " + s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// refName is the name of the schema that one refers to, directly or as a list.
func refName(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	ref := s.Ref
	if s.Items != nil {
		ref = s.Items.Ref
		if extension, ok := s.Items.Extensions["$ref"].(string); ok {
			ref = extension
		}
	}
	return strings.TrimPrefix(ref, "#/components/schemas/")
}

func example(s *huma.Schema) string {
	if s == nil || len(s.Examples) == 0 {
		return ""
	}
	text, err := json.Marshal(s.Examples[0])
	if err != nil {
		return ""
	}
	return string(text)
}

// docs serves the page. It needs nothing from elsewhere and runs no script.
func (a *API) docs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(a.docsPage)
}

// style serves how the pages look.
func (a *API) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(w, r, assets, "assets/style.css")
}
