package handlers

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"
)

// bodyTypes are those of the routes that have a shortcut.
func bodyTypes() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[EmailRequest](), reflect.TypeFor[ExportRequest](), reflect.TypeFor[ReportRequest](), reflect.TypeFor[JobRequest](),
	}
}

// schemas are huma's view of those types.
func schemas(tb testing.TB) (huma.Registry, []*huma.Schema) {
	tb.Helper()
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	var all []*huma.Schema
	for _, t := range bodyTypes() {
		all = append(all, registry.Schema(t, true, ""))
	}
	return registry, all
}

// accepts reports whether huma finds nothing wrong with a body.
func accepts(tb testing.TB, registry huma.Registry, s *huma.Schema, body []byte) bool {
	tb.Helper()
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		tb.Fatalf("%q passed the door: %v", body, err)
	}
	var result huma.ValidateResult
	huma.Validate(registry, s, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	return len(result.Errors) == 0
}

const (
	anEmail  = `{"template":"welcome","to":"ada@example.com","subject":"\u0041 \"b\"","data":{"name":"Ada","n":[1,{"x":null}]}}`
	anExport = ` { "format" : "csv" , "query" : {"where":[[1e3,"}"]]}, "userId" : "ada" } `
	aReport  = `{"reportType":"usage","dateRange":{"start":"2026-01-01","end":"2026-02-01"},"tenantId":"acme"}`
	aJob     = `{"type":"email","payload":null}`
)

func TestAnOrdinaryBodyHasTheFormOfItsSchema(t *testing.T) {
	registry, all := schemas(t)
	for i, bodies := range [][]string{
		{anEmail, `{"to":"","template":""}`, `{"template":"a","to":"b","options":{}}`,
			`{"template":"a","to":"b","options":{"priority":"high","maxAttempts":3,"delay":0,"timeout":86400000}}`},
		{anExport}, {aReport}, {aJob, `{"type":"x","payload":-1.5e3,"options":{"priority":7}}`},
	} {
		for _, body := range bodies {
			if !formOf(registry, all[i]).fits([]byte(body)) {
				t.Errorf("%s is left to huma", body)
			}
		}
	}
}

func TestWhatIsNotPlainlyRightIsLeftToHuma(t *testing.T) {
	registry, all := schemas(t)
	for _, body := range []string{
		`{}`, `[]`, `null`, `"x"`, `7`, `{"template":"a"}`, `{"template":"a","to":null}`, `{"template":1,"to":"b"}`,
		`{"template":"a","to":"b","more":1}`, `{"Template":"a","to":"b"}`, `{"templat\u0065":"a","to":"b"}`,
		`{"template":"a","to":"b","data":null}`, `{"template":"a","to":"b","data":[]}`, `{"template":"a","to":"b","options":null}`,
		`{"template":"a","to":"b","options":{"maxAttempts":0}}`, `{"template":"a","to":"b","options":{"maxAttempts":1000001}}`,
		`{"template":"a","to":"b","options":{"maxAttempts":1.0}}`, `{"template":"a","to":"b","options":{"delay":-1}}`,
		`{"template":"a","to":"b","options":{"delay":99999999999999999999}}`, `{"template":"a","to":"b","options":{"jobId":"x"}}`,
		`{"template":"a","to":"b","options":{"runAt":"2026-01-01T00:00:00Z"}}`, `{"template":"a","to":"b","options":{"backoff":{"type":"fixed","delay":1}}}`,
	} {
		if formOf(registry, all[0]).fits([]byte(body)) {
			t.Errorf("%s is taken for right at a glance", body)
		}
	}
}

// right are values that a field may have, and wrong some that most may not.
var (
	right = map[string][]string{
		"data": {`{}`, `{"a":["}"],"b":{"c":null}}`}, "dateRange": {`{"start":"x","end":"y"}`, `{"start":"x"}`},
		"query": {`null`, `[{"a":1e3}]`}, "payload": {`{}`, `-7`}, "priority": {`"high"`, `7`},
		"maxAttempts": {`1`, `1000000`, `0`, `1000001`}, "delay": {`0`, `315360000000`, `315360000001`, `-1`}, "timeout": {`1`, `1.0`, `1e2`, `86400001`},
	}
	// optional are fields that half of the bodies do without: with all of them, hardly
	// a body would be right.
	optional = map[string]bool{"subject": true, "data": true, "options": true, "priority": true, "maxAttempts": true, "delay": true, "timeout": true}

	texts = []string{`"a"`, `""`, `"\"}"`, `"\u0041"`}
	wrong = []string{`null`, `true`, `7`, `1e3`, `123456789012345678`, `[]`, `{}`, `"a"`, `{"start":"x","end":"y"}`, `{"a":{"b":1}}`}
)

// aBody draws a body that is nearly one of a route with these fields.
func aBody(t *rapid.T, fields []string) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t"}).Draw(t, "space")
	var members []string
	for _, name := range fields {
		value := rapid.SampledFrom(wrong).Draw(t, "wrong")
		chance := rapid.IntRange(0, 59).Draw(t, "chance")
		switch {
		case chance == 0, chance >= 30 && optional[name]:
			continue
		case chance == 1:
			name = strings.ToUpper(name)
		case name == "options":
			value = aBody(t, []string{"priority", "maxAttempts", "delay", "timeout"})
		case chance > 2 && right[name] != nil:
			value = rapid.SampledFrom(right[name]).Draw(t, "value")
		case chance > 2:
			value = rapid.SampledFrom(texts).Draw(t, "text")
		}
		members = append(members, space+`"`+name+`"`+space+":"+space+value+space)
	}
	return space + "{" + strings.Join(members, ",") + space + "}" + space
}

func TestWhatHasTheFormPassesTheSchema(t *testing.T) {
	registry, all := schemas(t)
	routes := [][]string{
		{"template", "to", "subject", "data", "options"}, {"format", "query", "userId", "options"},
		{"reportType", "dateRange", "tenantId", "options"}, {"type", "payload", "options"},
	}
	fitted := 0
	rapid.Check(t, func(r *rapid.T) {
		i := rapid.IntRange(0, len(routes)-1).Draw(r, "route")
		body := []byte(aBody(r, routes[i]))
		if checkJSON(body) != nil || !formOf(registry, all[i]).fits(body) {
			return
		}
		fitted++
		if !accepts(t, registry, all[i], body) {
			r.Fatalf("%s has the form, and huma refuses it", body)
		}
	})
	if fitted == 0 {
		t.Error("no body that was drawn had a form: nothing was compared")
	}
}

func FuzzWhatHasTheFormPassesTheSchema(f *testing.F) {
	registry, all := schemas(f)
	var forms []*form
	for _, s := range all {
		forms = append(forms, formOf(registry, s))
	}
	for i, body := range []string{anEmail, anExport, aReport, aJob} {
		f.Add(byte(i), []byte(body))
	}
	f.Add(byte(0), []byte(`{"template":"a","to":"b","options":{"priority":[{}],"maxAttempts":12,"delay":315360000001}}`))
	f.Fuzz(func(t *testing.T, n byte, body []byte) {
		i := int(n) % len(all)
		if checkJSON(body) != nil || !forms[i].fits(body) {
			return
		}
		if !accepts(t, registry, all[i], body) {
			t.Fatalf("%s has the form, and huma refuses it", body)
		}
	})
}

// TestOnlyWhatIsUnderstoodHasAForm changes a schema in every way that it can be
// changed: a limit that this code knows nothing of must not be passed over.
func TestOnlyWhatIsUnderstoodHasAForm(t *testing.T) {
	// These say nothing about a value, or are what the form is made of.
	harmless := map[string]bool{
		"Type": true, "Nullable": true, "Title": true, "Description": true, "Ref": true, "Examples": true, "Deprecated": true,
		"Extensions": true, "PatternDescription": true, "Discriminator": true, "Required": true, "Properties": true,
	}
	// These are for one type only: as huma does, others pass them over.
	of := map[string]string{
		"Minimum": huma.TypeInteger, "Maximum": huma.TypeInteger, "ExclusiveMinimum": huma.TypeInteger, "ExclusiveMaximum": huma.TypeInteger,
		"MultipleOf": huma.TypeInteger, "MinProperties": huma.TypeObject, "MaxProperties": huma.TypeObject, "AdditionalProperties": huma.TypeObject,
		"Items": huma.TypeArray, "MinItems": huma.TypeArray, "MaxItems": huma.TypeArray, "UniqueItems": huma.TypeArray,
		"ReadOnly": "property", "WriteOnly": "property",
	}
	for i := range reflect.TypeFor[huma.Schema]().NumField() {
		limit := reflect.TypeFor[huma.Schema]().Field(i)
		if !limit.IsExported() || harmless[limit.Name] || limit.Name == "Minimum" || limit.Name == "Maximum" {
			continue
		}
		kind, known := of[limit.Name]
		if !known {
			kind = huma.TypeString
		}
		if f := formOf(nil, limited(limit.Name, kind)); f != nil && (f.kind != fixedObject || f.fields[0].form != nil) {
			t.Errorf("a schema with %s has a form", limit.Name)
		}
	}
}

// limited is a schema of a kind with one of its fields set.
func limited(name, kind string) *huma.Schema {
	low, high := 0.0, 9.0
	s := &huma.Schema{Type: kind, AdditionalProperties: false}
	switch kind {
	case huma.TypeInteger:
		s.Minimum, s.Maximum = &low, &high
	case "property":
		s = &huma.Schema{Type: huma.TypeString}
	}
	value := reflect.ValueOf(s).Elem().FieldByName(name)
	switch value.Kind() {
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
	case reflect.Map:
		value.Set(reflect.MakeMap(value.Type()))
		value.SetMapIndex(reflect.ValueOf("p"), reflect.New(value.Type().Elem()).Elem())
	case reflect.Interface:
		value.Set(reflect.ValueOf(true))
	case reflect.Bool:
		value.SetBool(true)
	default:
		value.SetString("x")
	}
	if kind == "property" {
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, Properties: map[string]*huma.Schema{"p": s}}
	}
	return s
}
