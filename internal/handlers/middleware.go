package handlers

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"
)

var (
	saneID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$`)
	// traceparent of W3C Trace Context, version 00.
	traceparent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// Names of headers in the form that net/http gives them: others are changed into
// it each time.
const (
	requestIDHeader = "X-Request-Id"
	apiKeyHeader    = "X-Api-Key"
)

// begin makes the call, and shows its id.
func (a *API) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: r.Header.Get(requestIDHeader), client: a.clientOf(r), pattern: "unmatched"}
		if !saneID.MatchString(c.id) {
			c.id = rand.Text()
		}
		if text := r.Header.Get("Traceparent"); traceparent.MatchString(text) {
			c.traceText = text
		}
		w.Header().Set(requestIDHeader, c.id)
		next.ServeHTTP(w, r.WithContext(withCall(r.Context(), c)))
	})
}

// clientOf is the address that a request came from. Proxies that are trusted
// are believed about who asked them, from the nearest one outwards.
func (a *API) clientOf(r *http.Request) string {
	address := hostOf(r.RemoteAddr)
	if len(r.Header.Values("X-Forwarded-For")) == 0 || !a.trusts(address) {
		return nameOf(address)
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil || !a.trusts(address) {
			break
		}
		address = next.Unmap()
	}
	return nameOf(address)
}

func nameOf(address netip.Addr) string {
	if !address.IsValid() {
		return "unknown"
	}
	return address.String()
}

func hostOf(hostport string) netip.Addr {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	// What is no address is the zero one, which nobody trusts.
	address, _ := netip.ParseAddr(host)
	return address.Unmap()
}

func (a *API) trusts(address netip.Addr) bool {
	return slices.ContainsFunc(a.o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

// observe logs and measures every request, and answers for a handler that
// panicked.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := a.o.Now()
		seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		a.metrics.inFlight.Inc()
		defer func() {
			aborted := a.recovered(seen, r, recover())
			a.metrics.inFlight.Dec()
			a.finished(r, seen, a.o.Now().Sub(started))
			if aborted {
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

// recovered logs a panic, and answers if nothing was sent yet. Otherwise the
// connection has to be aborted, so that half an answer is not taken for a whole
// one.
func (a *API) recovered(w middleware.WrapResponseWriter, r *http.Request, recovered any) (abort bool) {
	if recovered == nil || recovered == any(http.ErrAbortHandler) {
		return recovered != nil
	}
	a.log.LogAttrs(r.Context(), slog.LevelError, "handler panicked",
		slog.String("request_id", callOf(r.Context()).id),
		slog.String("error", fmt.Sprint(recovered)), slog.String("stack", string(debug.Stack())))
	if w.Status() != 0 {
		return true
	}
	a.writeProblem(w, r, problem("internal", "The request could not be answered."))
	return false
}

func (a *API) finished(r *http.Request, w middleware.WrapResponseWriter, took time.Duration) {
	c := callOf(r.Context())
	status := w.Status()
	if status == 0 {
		status = http.StatusOK
	}
	method := methodLabel(r.Method)
	a.metrics.requests.WithLabelValues(method, c.pattern, strconv.Itoa(status)).Inc()
	if !c.waits {
		a.metrics.duration.WithLabelValues(method, c.pattern).Observe(took.Seconds())
	}
	a.log.LogAttrs(r.Context(), logLevel(c, status), "request",
		slog.String("request_id", c.id), slog.String("method", method), slog.String("route", c.pattern),
		slog.Int("status", status), slog.Int("bytes", w.BytesWritten()), slog.Duration("duration", took),
		slog.String("caller", c.caller.Name), slog.String("client", c.client))
}

func logLevel(c *call, status int) slog.Level {
	switch {
	case c.route != nil && c.route.quiet:
		return slog.LevelDebug
	case status >= 500:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// methodLabel keeps made-up methods from making up metrics.
func methodLabel(method string) string {
	if slices.Contains(methods, method) || method == http.MethodHead || method == http.MethodOptions {
		return method
	}
	return "OTHER"
}

// secure sets the headers that keep browsers from doing more with an answer
// than they should. Pages loosen the policy where they need to.
func (a *API) secure(next http.Handler) http.Handler {
	safe := safeHeaders(strings.HasPrefix(a.o.PublicURL, "https://"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// All answers share these values: who sets another replaces it in their own.
		maps.Copy(w.Header(), safe)
		next.ServeHTTP(w, r)
	})
}

func safeHeaders(https bool) http.Header {
	h := http.Header{}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
	h.Set("Cache-Control", "no-store")
	if https {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
	return h
}

const (
	policy     = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

// cors answers browsers that ask whether a page of another origin may call.
func (a *API) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if len(a.o.CORSOrigins) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		if origin == "" || !slices.Contains(a.o.CORSOrigins, origin) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Access-Control-Expose-Headers", "Location, Retry-After, Idempotency-Replayed, X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-API-Key, X-Request-ID")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hosts refuses, while the API is open to everybody on this machine, requests
// that name another host: a page whose name was made to lead here would
// otherwise be let in by its reader's browser as coming from ourselves.
func (a *API) hosts(next http.Handler) http.Handler {
	// New has nothing to say about the URL: it only lets one more host in.
	public, err := url.Parse(a.o.PublicURL)
	if err != nil {
		public = &url.URL{}
	}
	if !a.o.Open {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := (&url.URL{Host: r.Host}).Hostname()
		if !isLocal(name) && name != public.Hostname() {
			a.writeProblem(w, r, problem("forbidden", "Without API keys, this server answers on localhost only."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLocal(name string) bool {
	address, err := netip.ParseAddr(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && address.IsLoopback()
}

// crossOrigin refuses what a page of another site makes a browser send.
func (a *API) crossOrigin() (func(http.Handler) http.Handler, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range a.o.CORSOrigins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("origin %q: %w", origin, err)
		}
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.writeProblem(w, r, problem("forbidden", "A page of another site may not send this."))
	}))
	return protection.Handler, nil
}

// bounded refuses requests beyond those that may be in flight. Those that wait
// for a job are counted apart, since waiting costs little and takes long; and so
// are bulks, whose bodies take memory.
func (a *API) bounded(next http.Handler) http.Handler {
	ordinary, bulks, streams := make(slots, a.o.MaxInFlight), make(slots, a.o.MaxBulks), make(slots, a.o.MaxStreams)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		free := ordinary
		switch c := callOf(r.Context()); {
		case c.waits:
			free = streams
		case c.route != nil && c.route.body == bulkBody:
			free = bulks
		}
		if !free.take() {
			a.writeProblem(w, r, unavailable("Too many requests are being answered."))
			return
		}
		defer free.give()
		next.ServeHTTP(w, r)
	})
}

// slots are places that requests take; the channel holds those that are taken.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }

// deadline bounds the work of a request, from when its body is there.
func (a *API) deadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if c.route == nil || c.route.patience > 0 {
			// The server's own deadline is for ordinary answers. One that has none,
			// as in tests, cannot move it.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patienceOf(c.route)))
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := a.budget(r.Context())
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func patienceOf(r *route) time.Duration {
	if r == nil {
		return time.Minute
	}
	return r.patience
}

// errBudget says whose deadline it was.
var errBudget = fmt.Errorf("the request's own: %w", context.DeadlineExceeded)

// budget is the time that one piece of work may take.
func (a *API) budget(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, a.o.Deadline, errBudget)
}
