package boot

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// OpsHandler serves operators: /metrics of the registry, /debug/pprof, the
// probes with details, and /version. Keep its listener from the public.
func OpsHandler(registry *prometheus.Registry, health *Health, v Version, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(registry, logger))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /version", serveVersion(v))
	probes := health.Handler(true)
	for _, path := range []string{"/livez", "/healthz", "/readyz", "/health"} {
		mux.Handle("GET "+path, probes)
	}
	mux.HandleFunc("GET /{$}", serveIndex)
	return mux
}

// OpsWriteTimeout leaves room for a profile of 30 seconds and more.
const OpsWriteTimeout = 3 * time.Minute

// metricsHandler answers few scrapes at once, and gives up on one that hangs.
func metricsHandler(registry *prometheus.Registry, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry: registry, EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	})
}

func serveVersion(v Version) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		header(w, "application/json", true)
		_ = json.NewEncoder(w).Encode(v) // a client that has gone is all that can go wrong
	}
}

func serveIndex(w http.ResponseWriter, _ *http.Request) {
	header(w, "text/plain; charset=utf-8", true)
	fmt.Fprint(w, "/metrics\n/health\n/readyz?verbose\n/livez\n/healthz\n/version\n/debug/pprof/\n")
}
