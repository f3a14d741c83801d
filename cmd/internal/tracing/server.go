package tracing

import (
	"context"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Handler makes a span of every request, named by its method and route and part
// of the caller's trace if there is one. Paths that are quiet, such as those that
// probes ask for, have none.
//
// Of a request a span says the method, the route and the status. Its path and
// query may hold signatures and tokens, its headers whatever a client likes.
func (t *Tracer) Handler(next http.Handler, quiet ...string) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(quiet, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		t.serve(w, r, next)
	})
}

func (t *Tracer) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	ctx := t.carrier.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.spans.Start(ctx, methodOf(r), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(methodOf(r))))
	// The router writes the route that it finds into the context that it is given.
	// Of a request that was refused on the way to the router there is none.
	route := chi.NewRouteContext()
	ctx = context.WithValue(ctx, chi.RouteCtxKey, route)
	seen, answered := middleware.NewWrapResponseWriter(w, r.ProtoMajor), false
	defer func() {
		if pattern := route.RoutePattern(); pattern != "" {
			span.SetName(methodOf(r) + " " + pattern)
			span.SetAttributes(semconv.HTTPRoute(pattern))
		}
		conclude(span, seen.Status(), answered)
		span.End()
	}()
	next.ServeHTTP(seen, r.WithContext(ctx))
	answered = true
}

// conclude says how a request ended. One that was not answered to its end has
// had its connection cut.
func conclude(span trace.Span, status int, answered bool) {
	if status == 0 && answered {
		status = http.StatusOK
	}
	if status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
	switch {
	case !answered:
		span.SetStatus(codes.Error, "the answer was cut off")
	case status >= 500:
		span.SetStatus(codes.Error, http.StatusText(status))
	}
}

// methodOf keeps made-up methods from making up names.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "_OTHER"
}
