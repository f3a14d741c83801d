package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/tandemq/tandem/internal/redistest"
)

// Whoever traces requests gives the router a context and reads the route there.
func TestARequestThatIsRefusedBeforeItIsRoutedHasItsRoute(t *testing.T) {
	s := start(t, redistest.Shared(t))
	for _, tt := range []struct{ method, path, want string }{
		{http.MethodPost, "/api/v1/emails", "/api/v1/emails"},
		{http.MethodGet, "/api/v1/jobs/email/17", "/api/v1/jobs/{queue}/{id}"},
		{http.MethodGet, "/no/such/place", ""},
	} {
		rctx := chi.NewRouteContext()
		ctx := context.WithValue(t.Context(), chi.RouteCtxKey, rctx)
		w := httptest.NewRecorder()
		s.api.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, tt.method, tt.path, nil))
		if tt.want != "" && w.Code != http.StatusUnauthorized {
			t.Fatalf("%s: status %d", tt.path, w.Code)
		}
		if got := rctx.RoutePattern(); got != tt.want {
			t.Errorf("%s: route %q, want %q", tt.path, got, tt.want)
		}
	}
}
