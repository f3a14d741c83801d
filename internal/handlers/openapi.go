package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// names of the ways to say who calls.
const (
	bearerScheme = "bearer"
	headerScheme = "apiKey"
)

func (a *API) humaConfig() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Tandem", Version: "1.0.0",
				Description: "Mails, exports and reports as jobs: a request is answered with 202 once its job is safe, and the job's address tells what became of it.",
				License:     &huma.License{Name: "MIT", Identifier: "MIT"},
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearerScheme: {Type: "http", Scheme: "bearer", Description: "An API key, or a JWT where the deployment accepts them."},
					headerScheme: {Type: "apiKey", In: "header", Name: "X-API-Key", Description: "An API key."},
				},
			},
			Tags: []*huma.Tag{
				{Name: "jobs", Description: "Add jobs and see what became of them."},
				{Name: "queues", Description: "What waits, runs and failed."},
				{Name: "files", Description: "What jobs have made."},
				{Name: "accounts", Description: "Signing up."},
				{Name: "service", Description: "The service itself."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": strictJSON(), "json": strictJSON()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{a.translate},
	}
}

// operation describes what the table says of a route; its types add the rest.
func (a *API) operation(r *route) huma.Operation {
	op := huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary,
		Tags: []string{tagOf(r)}, DefaultStatus: r.status,
		MaxBodyBytes: -1, BodyReadTimeout: -1, // the body is in memory
		Responses: map[string]*huma.Response{
			strconv.Itoa(r.status): {Description: http.StatusText(r.status)},
		},
	}
	if r.scope != public {
		op.Description = fmt.Sprintf("Needs the scope `%s`.", r.scope)
		op.Security = []map[string][]string{{bearerScheme: {}}, {headerScheme: {}}}
		if r.signed {
			op.Description += " A signed link needs no scope."
			op.Security = append(op.Security, map[string][]string{})
		}
	}
	a.addProblems(&op, problemsOf(r))
	return op
}

func tagOf(r *route) string {
	switch {
	case r.accounts:
		return "accounts"
	case r.scope == ReadQueues:
		return "queues"
	case r.signed:
		return "files"
	case r.scope == public:
		return "service"
	}
	return "jobs"
}

// problemsOf are the statuses that a route can fail with.
func problemsOf(r *route) []int {
	statuses := []int{500}
	add := func(when bool, more ...int) {
		if when {
			statuses = append(statuses, more...)
		}
	}
	add(r.scope != public, 401, 403)
	add(r.method == "POST", 403)
	add(r.body != noBody, 400, 408, 413, 415, 422)
	add(r.idempotent, 409, 503)
	add(r.scope == ReadJobs, 404, 503)
	add(r.scope == ReadQueues, 404, 422, 503)
	add(r.signed, 410, 412, 416)
	add(r.accounts && !r.idempotent, 400, 410, 503)
	add(r.id == "get-job", 422)
	add(!r.quiet, 429, 503)
	slices.Sort(statuses)
	return slices.Compact(statuses)
}

func (a *API) addProblems(op *huma.Operation, statuses []int) {
	schema := a.schema(reflect.TypeFor[Problem]())
	for _, status := range statuses {
		response := &huma.Response{
			Description: problemOfStatus(status, "").Title,
			Content:     map[string]*huma.MediaType{problemJSON: {Schema: schema}},
		}
		if status == 429 || status == 503 || status == 409 {
			response.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "Seconds to wait.", Schema: &huma.Schema{Type: huma.TypeInteger},
			}}
		}
		op.Responses[strconv.Itoa(status)] = response
	}
}

func (a *API) schema(t reflect.Type) *huma.Schema {
	return a.huma.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// describeBulk tells the documentation what the items of a bulk are; they are
// checked one by one, so that one bad job need not spoil the others.
func (a *API) describeBulk() {
	a.bulkSchema = a.schema(reflect.TypeFor[BulkJob]())
	list := a.huma.OpenAPI().Components.Schemas.SchemaFromRef(a.schema(reflect.TypeFor[BulkRequest]()).Ref)
	items := list.Properties["jobs"].Items
	items.Extensions = map[string]any{"$ref": a.bulkSchema.Ref}
}

// forgetForeign drops the schemas that huma adds for errors of its own, which
// no answer has.
func (a *API) forgetForeign() {
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
}

// success describes the answer of a route that is not made of types.
func success(op *huma.Operation, contentType string, schema *huma.Schema) {
	op.Responses[strconv.Itoa(op.DefaultStatus)].Content = map[string]*huma.MediaType{contentType: {Schema: schema}}
}

func text() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

func pathParam(name, about string) *huma.Param {
	return &huma.Param{Name: name, In: "path", Required: true, Description: about, Schema: text()}
}

func docJSON(_ *API, op *huma.Operation) {
	success(op, "application/json", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true})
}

func docHTML(_ *API, op *huma.Operation) { success(op, "text/html", text()) }
func docCSS(_ *API, op *huma.Operation)  { success(op, "text/css", text()) }

func docVerifyPage(_ *API, op *huma.Operation) {
	success(op, "text/html", text())
	op.Parameters = []*huma.Param{{Name: "token", In: "query", Required: true, Description: "From the mail.", Schema: text()}}
}

func docVerify(a *API, op *huma.Operation) {
	success(op, "application/json", a.schema(reflect.TypeFor[Account]()))
	token := &huma.Schema{
		Type: huma.TypeObject, Required: []string{"token"},
		Properties:           map[string]*huma.Schema{"token": {Type: huma.TypeString, Description: "From the mail."}},
		AdditionalProperties: false,
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/json":                  {Schema: token},
		"application/x-www-form-urlencoded": {Schema: token},
	}}
}

func docStream(_ *API, op *huma.Operation) {
	success(op, "text/event-stream", text())
	op.Description += " Server-sent events: `job` (the job as GET shows it), `active`, `progress`, `delayed` and so on, and `end` with the job when it is finished. With Last-Event-ID it goes on behind an event, as far as it is remembered. A stream that has lasted five minutes ends; connect again in the same way."
	op.Parameters = []*huma.Param{
		pathParam("queue", "The queue that holds the job."), pathParam("id", "The job's id."),
		{Name: "Last-Event-ID", In: "header", Description: "The id of the last message that was seen.", Schema: text()},
	}
	op.Responses["204"] = &huma.Response{Description: "The stream was read to its end."}
}

func docDownload(_ *API, op *huma.Operation) {
	success(op, "application/octet-stream", &huma.Schema{Type: huma.TypeString, Format: "binary"})
	op.Parameters = []*huma.Param{
		pathParam("id", "The artifact's id."),
		{Name: "Range", In: "header", Description: "A part of the file.", Schema: text()},
	}
	for _, name := range []string{"owner", "expires", "kid", "sig"} {
		op.Parameters = append(op.Parameters, &huma.Param{Name: name, In: "query", Description: "Part of a signed link.", Schema: text()})
	}
	op.Responses["206"] = &huma.Response{Description: "Partial Content", Content: op.Responses["200"].Content}
	op.Responses["304"] = &huma.Response{Description: "Not Modified"}
}

func docHealth(_ *API, op *huma.Operation) {
	success(op, "text/plain", text())
	if op.Path == "/health" {
		docJSON(nil, op)
	}
	op.Responses["503"] = &huma.Response{Description: "No", Content: op.Responses["200"].Content}
	delete(op.Responses, "500")
}

// version shows what was built.
func (a *API) version(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// The header is out; a client that has gone is all that can go wrong.
	_ = json.NewEncoder(w).Encode(a.o.Version)
}

// openAPI serves the description that was made when the API was built.
func (a *API) openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(a.spec)
}
