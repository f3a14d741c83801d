package parts

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

// A 202 is a promise, so what is not known counts as unfit, and what was found
// counts until something else is.
func TestJobsAreAcceptedOnceRedisIsKnownToKeepThem(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{}) // keeps nothing
	conn, err := Redis(config.Redis{URL: config.NewSecretURL(server.URL)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	strict := NewRedisWatch(conn, true, slog.New(slog.DiscardHandler))
	lenient := NewRedisWatch(conn, false, slog.New(slog.DiscardHandler))
	for _, step := range []struct {
		name string
		do   func()
		want error // of the strict one
	}{
		{"before the first look", func() {}, errUnseen},
		{"away at the first look", func() { server.Kill(); strict.look(t.Context()) }, errUnseen},
		{"not fit", func() { server.Restart(); strict.look(t.Context()) }, redisconn.ErrUnfit},
		{"away after it was not fit", func() { server.Kill(); strict.look(t.Context()) }, redisconn.ErrUnfit},
		{"fit", func() {
			server.Restart()
			configure(t, server, "appendonly", "yes")
			strict.look(t.Context())
		}, nil},
		{"away after it was fit", func() { server.Kill(); strict.look(t.Context()) }, nil},
	} {
		step.do()
		lenient.look(t.Context())
		if got := strict.Fit(); !errors.Is(got, step.want) || (got == nil) != (step.want == nil) {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
		if got := lenient.Fit(); got != nil {
			t.Errorf("%s, in development: %v", step.name, got)
		}
	}
}

func configure(t *testing.T, server *redistest.Instance, name, value string) {
	t.Helper()
	if err := server.Client(t).ConfigSet(t.Context(), name, value).Err(); err != nil {
		t.Fatal(err)
	}
}
