package boot

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Handler answers the probes:
//
//	/livez, /healthz   200 while a restart would mend nothing
//	/readyz            200 while new work is welcome; ?verbose lists the checks
//	/health            every check as JSON; 503 when one that is required fails
//
// With details, failed checks say why. That is for operators: leave it out
// where everybody can ask, since errors name servers.
func (h *Health) Handler(details bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", h.serveLive(details))
	mux.HandleFunc("GET /healthz", h.serveLive(details))
	mux.HandleFunc("GET /readyz", h.serveReady(details))
	mux.HandleFunc("GET /health", h.serveHealth(details))
	return mux
}

func (h *Health) serveLive(details bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		report := h.report(r.Context(), func(c Check) bool { return c.Live })
		answer(w, r, report, report.live(), details)
	}
}

func (h *Health) serveReady(details bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wanted := func(c Check) bool { return c.decides() || r.URL.Query().Has("verbose") }
		report := h.report(r.Context(), wanted)
		answer(w, r, report, report.ready(), details)
	}
}

// answer is a word, and with ?verbose a line for each check.
func answer(w http.ResponseWriter, r *http.Request, report Report, ok, details bool) {
	header(w, "text/plain; charset=utf-8", ok)
	if r.URL.Query().Has("verbose") {
		for _, name := range report.names {
			fmt.Fprintln(w, line(name, report.Checks[name], details))
		}
	}
	switch {
	case ok:
		fmt.Fprintln(w, "ok")
	case report.Phase != phaseNames[serving]:
		fmt.Fprintln(w, report.Phase)
	default:
		fmt.Fprintln(w, "failing")
	}
}

func line(name string, result Result, details bool) string {
	mark := "[+] "
	if result.Status != statusOK {
		mark = "[-] "
	}
	text := mark + name + " " + result.Status
	if details && result.Error != "" {
		text += ": " + strings.ReplaceAll(result.Error, "\n", "; ")
	}
	return text
}

func (h *Health) serveHealth(details bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		report := h.Report(r.Context())
		if !details {
			report.conceal()
		}
		header(w, "application/json", report.Status != statusUnavailable)
		// The header is out; a client that has gone is all that can go wrong.
		_ = json.NewEncoder(w).Encode(report)
	}
}

func (r *Report) conceal() {
	for name, result := range r.Checks {
		result.Error = ""
		r.Checks[name] = result
	}
}

func header(w http.ResponseWriter, contentType string, ok bool) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if ok {
		w.WriteHeader(http.StatusOK)
	} else {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}
