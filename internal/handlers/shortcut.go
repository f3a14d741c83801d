package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// shortcut answers a request whose body is surely what the route's schema asks
// for, and reports whether it did. Everything else, and with it every word about
// what is wrong with a body, is left to huma, which decodes each body twice and
// spends as much again on what these routes do not have.
type shortcut func(w http.ResponseWriter, r *http.Request, body []byte) (answered bool)

// shorten takes the shortcut of a route, where it has one.
func (a *API) shorten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if c.route == nil || c.route.short == nil || !ordinary(r) || !c.route.short(w, r, c.body) {
			next.ServeHTTP(w, r)
		}
	})
}

// ordinary reports whether nothing in a request beside its body asks for a
// closer look.
func ordinary(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return r.URL.RawQuery == "" && r.Header.Get("Content-Type") == jsonType &&
		(accept == "" || accept == "*/*" || accept == jsonType)
}

// queueing adds a route that adds a job, with a shortcut to it.
func queueing[B any](handle func(*API, context.Context, *adding[B]) (*queuedOutput, error)) func(*API, *route) {
	return func(a *API, r *route) {
		typed(handle)(a, r)
		expected := formOf(a.huma.OpenAPI().Components.Schemas, a.schema(reflect.TypeFor[B]()))
		r.short = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
			in := new(adding[B])
			if !expected.fits(body) || json.Unmarshal(body, &in.Body) != nil {
				return false
			}
			out, err := handle(a, req.Context(), in)
			if err != nil {
				a.writeProblem(w, req, err)
				return true
			}
			writeQueued(w, r.status, out)
			return true
		}
	}
}

// writeQueued answers as huma does.
func writeQueued(w http.ResponseWriter, status int, out *queuedOutput) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Location", out.Location)
	w.WriteHeader(status)
	// The header is out; a client that has gone is all that can go wrong.
	_ = huma.DefaultJSONFormat.Marshal(w, out.Body)
}
