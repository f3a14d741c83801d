package handlers

import (
	"net/http"
	"slices"

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
