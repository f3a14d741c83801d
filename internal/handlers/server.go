package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
)

// API answers requests. Make it with New; Close it after the server has stopped.
type API struct {
	o      Options
	log    *slog.Logger
	keys   []Key
	tokens *tokens

	router  *chi.Mux
	handler http.Handler
	huma    huma.API
	table   map[string]*route

	types      map[string]*jobType
	typeNames  []string
	bulkSchema *huma.Schema
	counts     map[string]*countsReader
	watchers   *watchers
	metrics    *metrics
	callers    *limiter
	accounts   *limiter

	verifyPage *template.Template
	spec       []byte // openapi.json
	docsPage   []byte
}

// methods are those that routes have; HEAD goes with GET.
var methods = []string{http.MethodGet, http.MethodPost}

// New checks the options and builds the API. It starts nothing: followers of
// events start when somebody first waits for a job.
func New(o Options) (*API, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	o.defaults()
	a := &API{o: o, log: o.Logger, router: chi.NewRouter(), table: map[string]*route{}, counts: map[string]*countsReader{}}
	if err := errors.Join(a.readCallers(), a.measure()); err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	a.callers, a.accounts = newLimiter(o.RateLimit), newLimiter(o.AccountLimit)
	a.watchers = newWatchers(o.Follow, o.Logger, o.Now)
	for name, q := range o.Queues {
		a.counts[name] = a.newCountsReader(q)
	}
	if err := a.mount(); err != nil {
		return nil, fmt.Errorf("handlers: %w", err)
	}
	return a, nil
}

func (a *API) readCallers() (err error) {
	if a.keys, err = ParseKeys(a.o.APIKeys); err != nil {
		return err
	}
	a.tokens, err = newTokens(a.o.JWT, a.o.Now)
	return err
}

func (a *API) measure() (err error) {
	a.metrics, err = newMetrics(a.o.Registry, maps.Keys(a.o.Queues))
	return err
}

// Handler is the API.
func (a *API) Handler() http.Handler { return a.handler }

// Drain has everybody who waits for a job answered now, so that a server that
// stops does not wait for them.
func (a *API) Drain() { a.watchers.drain() }

// Close stops following events and waits for that.
func (a *API) Close() { a.watchers.close() }

// mount builds the router, the documents, and the way to both.
func (a *API) mount() error {
	a.huma = humachi.New(a.router, a.humaConfig())
	a.types = a.jobTypes()
	for name := range a.types {
		a.typeNames = append(a.typeNames, name)
	}
	slices.Sort(a.typeNames)
	for _, r := range a.routes() {
		a.table[r.key()] = r
		r.add(a, r)
	}
	a.describeBulk()
	a.forgetForeign()
	a.addExamples()
	a.router.NotFound(a.notFound)
	a.router.MethodNotAllowed(a.methodNotAllowed)
	crossOrigin, err := a.crossOrigin()
	if err != nil {
		return err
	}
	if err := a.render(); err != nil {
		return err
	}
	a.handler = chain(a.shorten(a.router), a.begin, a.observe, a.secure, a.hosts, a.cors, a.route, crossOrigin, a.bounded,
		a.identify, a.limit, a.authorise, a.share, a.read, a.deadline, a.idempotent)
	return nil
}

// chain wraps a handler; the first of the layers is the outermost.
func chain(h http.Handler, layers ...func(http.Handler) http.Handler) http.Handler {
	for _, layer := range slices.Backward(layers) {
		h = layer(h)
	}
	return h
}

// route finds the line of the table that a request belongs to. The router finds
// the handler again by itself.
func (a *API) route(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer := r.Context()
		c := callOf(outer)
		if c.route = a.lookup(r.Method, r); c.route != nil {
			c.pattern = c.route.path
			c.waits = c.route.waits != nil && c.route.waits(a, r)
		}
		if r.Method == http.MethodHead && c.route != nil {
			r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, getContext(a.router)))
		}
		next.ServeHTTP(w, r)
		tellRoute(outer, c.route)
	})
}

// tellRoute writes the route of a request that was refused on the way to the
// router where the router would have written it, for whoever traces requests.
func tellRoute(ctx context.Context, found *route) {
	if rctx := chi.RouteContext(ctx); rctx != nil && found != nil && len(rctx.RoutePatterns) == 0 {
		rctx.RoutePatterns = append(rctx.RoutePatterns, found.path)
	}
}

// getContext makes chi route a HEAD like a GET.
func getContext(router chi.Routes) *chi.Context {
	rctx := chi.NewRouteContext()
	rctx.Routes, rctx.RouteMethod = router, http.MethodGet
	return rctx
}

func (a *API) lookup(method string, r *http.Request) *route {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path := r.URL.Path
	if r.URL.RawPath != "" {
		path = r.URL.RawPath
	}
	if r, ok := a.table[method+" "+path]; ok { // most have no parameters
		return r
	}
	return a.table[method+" "+a.router.Find(chi.NewRouteContext(), method, path)]
}

func (a *API) notFound(w http.ResponseWriter, r *http.Request) {
	a.writeProblem(w, r, problem("not-found", "There is nothing at this address."))
}

func (a *API) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range methods {
		if a.lookup(method, r) == nil {
			continue
		}
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	p := problem("method-not-allowed", "This address has other methods.")
	p.allow = strings.Join(allowed, ", ")
	a.writeProblem(w, r, p)
}

// typed adds a route whose bodies are described by types.
func typed[I, O any](handle func(*API, context.Context, *I) (*O, error)) func(*API, *route) {
	return func(a *API, r *route) {
		huma.Register(a.huma, a.operation(r), func(ctx context.Context, in *I) (*O, error) {
			out, err := handle(a, ctx, in)
			if err != nil {
				return nil, a.fail(ctx, err)
			}
			return out, nil
		})
	}
}

// plain adds a route that writes its answer itself, and describes it.
func plain(handle func(*API, http.ResponseWriter, *http.Request), describe func(*API, *huma.Operation)) func(*API, *route) {
	return func(a *API, r *route) {
		a.router.MethodFunc(r.method, r.path, func(w http.ResponseWriter, req *http.Request) { handle(a, w, req) })
		op := a.operation(r)
		describe(a, &op)
		a.huma.OpenAPI().AddOperation(&op)
	}
}

// strictJSON is the format of bodies and answers. Bodies have been checked
// before; what does not fit a type is told by its place alone.
func strictJSON() huma.Format {
	return huma.Format{
		Marshal: huma.DefaultJSONFormat.Marshal,
		Unmarshal: func(data []byte, v any) error {
			err := json.Unmarshal(data, v)
			if err == nil {
				return nil
			}
			wrong := fieldErrors(unfit(err))[0]
			return errors.New(misfit + wrong.Field + ": " + wrong.Message)
		},
	}
}

// unescape undoes what a client escaped in a part of the path.
func unescape(text string, escaped bool) string {
	if !escaped {
		return text
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}
