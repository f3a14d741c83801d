package embedded_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/tandemq/tandem/internal/embedded"
)

// running is a server that ends with its test.
type running struct{ *embedded.Server }

func start(t *testing.T) running {
	t.Helper()
	server, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return running{server}
}

func (r running) client(t *testing.T) *redis.Client {
	t.Helper()
	client := dial(r.Addr())
	t.Cleanup(func() { client.Close() })
	return client
}

func dial(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, MaxRetries: -1, ContextTimeoutEnabled: true})
}

func TestCloseLeavesNoGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	server, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := dial(server.Addr())
	blocked := make(chan error, 1)
	go func() { blocked <- client.BZPopMin(context.Background(), time.Minute, "marker").Err() }()
	awaitClient(t, server.Addr(), "cmd=bzpopmin")
	server.Close()
	server.Close()
	if err := <-blocked; err == nil {
		t.Error("a blocked client got an answer from a closed server")
	}
	client.Close()
	goleak.VerifyNone(t, before)
}

func TestManyClosesUnderLoadEnd(t *testing.T) {
	t.Parallel()
	for range 30 {
		server, err := embedded.Start(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		client := dial(server.Addr())
		var load sync.WaitGroup
		for range 4 {
			load.Go(func() { client.BZPopMin(context.Background(), time.Minute, "marker") })
			load.Go(func() {
				for client.Eval(context.Background(), `return redis.call('INCR', 'k')`, nil).Err() == nil {
				}
			})
			load.Go(func() {
				for transact(client) == nil {
				}
			})
		}
		client.Ping(t.Context())
		server.Close()
		client.Close()
		load.Wait()
	}
}

func transact(client *redis.Client) error {
	_, err := client.TxPipelined(context.Background(), func(p redis.Pipeliner) error {
		return p.Eval(context.Background(), `return 1`, nil).Err()
	})
	return err
}

func TestStartOnATakenPortFails(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if server, err := embedded.Start(embedded.Options{Port: listener.Addr().(*net.TCPAddr).Port}); err == nil {
		server.Close()
		t.Error("started on a port that somebody else listens on")
	}
	if server, err := embedded.Start(embedded.Options{Port: 70000}); err == nil {
		server.Close()
		t.Error("started on a port that does not exist")
	}
}

func TestBannerNamesTheAddressAndTheCatch(t *testing.T) {
	t.Parallel()
	s := start(t)
	want := "embedded Redis on " + s.Addr() + ": for development; everything is gone when the process ends"
	if diff := cmp.Diff(want, s.Banner()); diff != "" {
		t.Error(diff)
	}
	options, err := redis.ParseURL(s.URL())
	if err != nil || options.Addr != s.Addr() {
		t.Errorf("URL %q leads to %v, %v; want %s", s.URL(), options, err, s.Addr())
	}
}

func TestKeysExpireOnTime(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	set := time.Now()
	must(t, client.Set(t.Context(), "lock", "token", 300*time.Millisecond).Err())
	for {
		ttl, err := client.PTTL(t.Context(), "lock").Result()
		must(t, err)
		passed := time.Since(set)
		if ttl < 0 {
			if passed < 290*time.Millisecond {
				t.Errorf("a key that lives for 300ms was gone after %v", passed)
			}
			return
		}
		if passed > 10*time.Second {
			t.Fatalf("a key that lives for 300ms still has %v", ttl)
		}
	}
}

func TestKeysExpireWhileNobodyAsks(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client(t)
	must(t, client.Set(t.Context(), "lock", "token", 20*time.Millisecond).Err())
	// The blocked call ends by its own timeout, later than the key: no command
	// reaches the server in between.
	if err := client.Do(t.Context(), "BZPOPMIN", "none", "0.1").Err(); !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	if n := client.Exists(t.Context(), "lock").Val(); n != 0 {
		t.Error("the key is still there")
	}
}

func TestTimeFollowsTheWallClock(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	script := redis.NewScript(`local t = redis.call('TIME') return t[1] .. string.format('%06d', t[2])`)
	for range 3 {
		earliest := time.Now().Add(-time.Millisecond)
		micros, err := script.Run(t.Context(), client, nil).Int64()
		must(t, err)
		if got := time.UnixMicro(micros); got.Before(earliest) || got.After(time.Now().Add(time.Millisecond)) {
			t.Errorf("TIME in a script is %v, the clock says %v", got, time.Now())
		}
	}
}

func TestABlockedClientWakes(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.client(t)
	type popped struct {
		key *redis.ZWithKey
		err error
	}
	got := make(chan popped, 1)
	go func() {
		key, err := client.BZPopMin(context.Background(), 20*time.Second, "q:marker").Result()
		got <- popped{key, err}
	}()
	awaitClient(t, s.Addr(), "cmd=bzpopmin")
	script := `redis.call('ZADD', KEYS[1], 0, '0') return 1`
	must(t, client.Eval(t.Context(), script, []string{"q:marker"}).Err())
	if p := <-got; p.err != nil || p.key.Member != "0" {
		t.Errorf("woke with %v, %v", p.key, p.err)
	}
}

func TestAGoneClientTakesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	conn, err := net.Dial("tcp", s.Addr())
	must(t, err)
	_, err = io.WriteString(conn, "*3\r\n$8\r\nBZPOPMIN\r\n$1\r\nm\r\n$1\r\n0\r\n")
	must(t, err)
	awaitClient(t, s.Addr(), "cmd=bzpopmin")
	must(t, conn.Close())
	client := s.client(t)
	awaitNoClient(t, client, "cmd=bzpopmin")
	must(t, client.ZAdd(t.Context(), "m", redis.Z{Member: "0"}).Err())
	if n := client.ZCard(t.Context(), "m").Val(); n != 1 {
		t.Error("a client that had left took the marker")
	}
}

func TestClientsAreListed(t *testing.T) {
	t.Parallel()
	s := start(t)
	named := redis.NewClient(&redis.Options{Addr: s.Addr(), Protocol: 2, ClientName: "worker:1"})
	t.Cleanup(func() { named.Close() })
	must(t, named.Ping(t.Context()).Err())
	list, err := s.client(t).ClientList(t.Context()).Result()
	must(t, err)
	if !strings.Contains(list, " name=worker:1 ") {
		t.Errorf("CLIENT LIST does not show the name:\n%s", list)
	}
	if got := strings.Count(list, "\n"); got != 2 {
		t.Errorf("CLIENT LIST has %d lines, want 2:\n%s", got, list)
	}
	one, err := named.ClientInfo(t.Context()).Result()
	if err != nil || one.Name != "worker:1" {
		t.Errorf("CLIENT INFO: %+v, %v", one, err)
	}
	if id := named.ClientID(t.Context()).Val(); id != one.ID {
		t.Errorf("CLIENT ID %d, CLIENT INFO has %d", id, one.ID)
	}
}

func TestInfoSaysWhatClientsLookFor(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	must(t, client.Set(t.Context(), "k", "v", 0).Err())
	all, err := client.Info(t.Context()).Result()
	must(t, err)
	for _, line := range []string{
		"redis_version:7.0.15", "role:master", "maxmemory:0", "maxmemory_policy:noeviction",
		"aof_enabled:0", "loading:0", "db0:keys=1", "# Server", "# Keyspace",
	} {
		if !strings.Contains(all, line+"\r\n") {
			t.Errorf("INFO has no line %q:\n%s", line, all)
		}
	}
	memory := client.Info(t.Context(), "memory").Val()
	if !strings.HasPrefix(memory, "# Memory\r\n") || strings.Contains(memory, "role:") {
		t.Errorf("INFO memory:\n%s", memory)
	}
}

func TestClientsThatAskForRESP3StayWithRESP2(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: start(t).Addr(), Protocol: 3, ClientName: "three"})
	t.Cleanup(func() { client.Close() })
	must(t, client.XAdd(t.Context(), &redis.XAddArgs{Stream: "s", ID: "1-1", Values: []string{"f", "v"}}).Err())
	got, err := client.XRead(t.Context(), &redis.XReadArgs{Streams: []string{"s", "0"}}).Result()
	must(t, err)
	want := []redis.XStream{{Stream: "s", Messages: []redis.XMessage{{ID: "1-1", Values: map[string]any{"f": "v"}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("XREAD (-want +got):\n%s", diff)
	}
	if name := client.ClientGetName(t.Context()).Val(); name != "three" {
		t.Errorf("the name given while connecting is %q", name)
	}
}

func TestHelloGreetsLikeRedis(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	got, err := client.Do(t.Context(), "HELLO", "2", "SETNAME", "named").Slice()
	must(t, err)
	got[7] = nil // the connection's id
	want := []any{"server", "redis", "version", "7.0.15", "proto", int64(2), "id", nil, "mode", "standalone", "role", "master", "modules", []any{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("HELLO (-want +got):\n%s", diff)
	}
	if name := client.ClientGetName(t.Context()).Val(); name != "named" {
		t.Errorf("the name given to HELLO is %q", name)
	}
	if err := client.Do(t.Context(), "HELLO", "2", "SETNAME").Err(); err == nil {
		t.Error("HELLO 2 SETNAME without a name was accepted")
	}
}

func TestHooksKeepOutOfTransactions(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	var ran *redis.Cmd
	_, err := client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Set(t.Context(), "k", "1", 0)
		ran = p.Eval(t.Context(), `return redis.call('INCRBY', KEYS[1], cmsgpack.unpack(ARGV[1]))`, []string{"k"}, "\x01")
		return nil
	})
	must(t, err)
	if n, err := ran.Int(); err != nil || n != 2 {
		t.Errorf("a script in a transaction: %d, %v", n, err)
	}
}

func TestScriptsKeepTheirHash(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	const source = `return cmsgpack.unpack(ARGV[1])[1] .. cjson.encode({2})`
	script := redis.NewScript(source)
	if err := script.EvalSha(t.Context(), client, nil, "\x91\x01").Err(); !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.Fatalf("before loading: %v", err)
	}
	sha, err := client.ScriptLoad(t.Context(), source).Result()
	if err != nil || sha != script.Hash() {
		t.Fatalf("loaded as %q, %v; want %q", sha, err, script.Hash())
	}
	if known := client.ScriptExists(t.Context(), sha, "none").Val(); !cmp.Equal(known, []bool{true, false}) {
		t.Errorf("SCRIPT EXISTS: %v", known)
	}
	if got, err := script.EvalSha(t.Context(), client, nil, "\x91\x01").Text(); err != nil || got != "1[2]" {
		t.Errorf("EVALSHA: %q, %v", got, err)
	}
	must(t, client.ScriptFlush(t.Context()).Err())
	if err := script.EvalSha(t.Context(), client, nil, "\x91\x01").Err(); !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.Errorf("after SCRIPT FLUSH: %v", err)
	}
}

func TestScriptErrorsNameTheirLine(t *testing.T) {
	t.Parallel()
	client := start(t).client(t)
	err := client.Eval(t.Context(), "local x = cjson.encode({1})\n\nerror('third')", nil).Err()
	if err == nil || !strings.Contains(err.Error(), "user_script:3: third") {
		t.Errorf("got %v", err)
	}
}

// awaitClient returns when a client is in the state that CLIENT LIST shows as text.
func awaitClient(t *testing.T, addr, text string) {
	t.Helper()
	client := dial(addr)
	defer client.Close()
	await(t, func() bool { return strings.Contains(client.ClientList(t.Context()).Val(), text) })
}

func awaitNoClient(t *testing.T, client *redis.Client, text string) {
	t.Helper()
	await(t, func() bool { return !strings.Contains(client.ClientList(t.Context()).Val(), text) })
}

func await(t *testing.T, reached func() bool) {
	t.Helper()
	for begun := time.Now(); !reached(); {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("waited in vain")
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
