package inject_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

// Each fault is seen by whoever writes, as the error that Redis has for it, and
// is over when Do returns.
func TestFaultsOfAServerAreSeenByItsClients(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault func(*redistest.Instance) inject.Fault
		word  string // that the error begins with
	}{
		"full":           {func(s *redistest.Instance) inject.Fault { return inject.Full(s, exactly(200*time.Millisecond)) }, "OOM"},
		"load":           {func(s *redistest.Instance) inject.Fault { return inject.Load(s, exactly(time.Second)) }, "LOADING"},
		"busy":           {func(s *redistest.Instance) inject.Fault { return inject.Busy(s, exactly(500*time.Millisecond)) }, "BUSY"},
		"sleep":          {func(s *redistest.Instance) inject.Fault { return inject.Sleep(s, exactly(time.Second)) }, "read"}, // timeout
		"freeze":         {func(s *redistest.Instance) inject.Fault { return inject.Freeze(s, exactly(time.Second)) }, "read"},
		"crash":          {func(s *redistest.Instance) inject.Fault { return inject.Crash(s, exactly(200*time.Millisecond)) }, "dial"},
		"disconnect":     {func(s *redistest.Instance) inject.Fault { return many(20, inject.Disconnect(s)) }, "EOF"},
		"disconnect one": {func(s *redistest.Instance) inject.Fault { return many(100, inject.DisconnectOne(s)) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{Config: always()})
			w := startWriter(t, server.Server)
			w.more(t, 200)
			must(t, test.fault(server).Do(t.Context(), chance()))
			w.more(t, 100)
			w.end()
			if w.saw(test.word) == 0 {
				t.Errorf("nobody saw %s; the errors: %v", test.word, w.errors)
			}
			if missing := w.missing(t, server.Server); missing != 0 {
				t.Errorf("%d acknowledged writes are gone", missing)
			}
		})
	}
}

func TestForgetFlushesScriptsAgainAndAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	client := server.Client(t)
	ended := make(chan error, 1)
	go func() { ended <- inject.Forget(server, exactly(500*time.Millisecond)).Do(t.Context(), chance()) }()
	for range 3 {
		sha := client.ScriptLoad(t.Context(), "return 1").Val()
		eventually(t, "a forgotten script", func() bool {
			return redis.HasErrorPrefix(client.EvalSha(t.Context(), sha, nil).Err(), "NOSCRIPT")
		})
	}
	must(t, <-ended)
}

// A fault that is cancelled leaves the server as it was.
func TestFaultsHealWhenTheyAreCancelled(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: always()})
	client := server.Client(t)
	long := exactly(time.Hour)
	for _, fault := range []inject.Fault{
		inject.Full(server, long), inject.Busy(server, long), inject.Freeze(server, long),
		inject.Crash(server, long), inject.Forget(server, long),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := fault.Do(ctx, chance()); err == nil {
			t.Errorf("%s: a cancelled fault returns without an error", fault.Name)
		}
		cancel()
		if err := client.Set(t.Context(), "k", fault.Name, 0).Err(); err != nil {
			// A connection of the pool may have died with the server.
			must(t, client.Set(t.Context(), "k", fault.Name, 0).Err())
		}
	}
}
