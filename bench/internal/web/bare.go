package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
)

// Bare serves the least that could answer: a chi router whose one handler reads
// the body and says 202. It returns when ctx ends.
func Bare(ctx context.Context, listener net.Listener) error {
	router := chi.NewRouter()
	router.Post("/api/v1/emails", accept)
	server := &http.Server{Handler: router, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // Serve tells how it ended
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answer is as long as that of the api.
const answer = `{"message":"Email queued","jobId":"00000000-0000-7000-8000-000000000000","queue":"email",` +
	`"statusUrl":"/api/v1/jobs/email/00000000-0000-7000-8000-000000000000"}` + "\n"

func accept(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 256<<10)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, answer) // a client that has gone hears nothing
}
