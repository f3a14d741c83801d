package handlers

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/go-chi/chi/v5"
)

// Routes are what the router answers, sorted: "GET /docs".
func (a *API) Routes() []string {
	var all []string
	// The function that walks along never fails.
	_ = chi.Walk(a.router, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all = append(all, method+" "+path)
		return nil
	})
	slices.Sort(all)
	return all
}

// CountShortcuts counts the requests that are answered by a shortcut from now on.
// It has to be called before there are any.
func (a *API) CountShortcuts() *atomic.Int64 {
	var n atomic.Int64
	for _, r := range a.table {
		if take := r.short; take != nil {
			r.short = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
				taken := take(w, req, body)
				if taken {
					n.Add(1)
				}
				return taken
			}
		}
	}
	return &n
}
