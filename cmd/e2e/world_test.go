package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/tandemq/tandem/internal/mailcatch"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// The keys of the callers that every api knows.
const (
	fullKey   = "full-0123456789abcdef"
	readKey   = "read-0123456789abcdef"
	tenantKey = "acme-0123456789abcdef"
)

// signingKey signs download links.
const signingKey = "0123456789abcdef0123456789abcdef"

func apiKeys() string {
	return strings.Join([]string{
		"full:" + fullKey + ":jobs:write+jobs:read+queues:read+exports:all",
		"reader:" + readKey + ":jobs:read",
		"acme:" + tenantKey + ":jobs:write+jobs:read+tenant=acme",
	}, ",")
}

// world is what the services of one test stand on.
type world struct {
	t        *testing.T
	redis    *redistest.Instance
	mails    *mailcatch.Catcher
	gate     *gate     // in front of the mailbox
	database string    // URL
	db       *store.DB // opened by the first that asks
	port     int       // of the api that links lead to
	env      map[string]string
}

// newWorld starts the servers. Variables, given as name and value, override what
// every service gets.
func newWorld(t *testing.T, database string, variables ...string) *world {
	t.Helper()
	w := &world{t: t, database: database, port: freePort(t), gate: &gate{}}
	w.redis = redistest.Own(t, redistest.Options{Config: []string{
		"appendonly yes", "appendfsync always", "maxmemory-policy noeviction",
	}})
	w.startMails()
	w.env = map[string]string{
		"APP_ENV": "production", "LOG_FORMAT": "json", "LOG_LEVEL": "info", "DATA_DIR": t.TempDir(),
		"REDIS_URL": w.redis.URL, "DATABASE_URL": database,
		"STORAGE_URL": "file://" + filepath.ToSlash(t.TempDir()),
		"PUBLIC_URL":  w.publicURL(), "URL_SIGNING_KEY": signingKey,
		"SMTP_URL": "smtp://" + w.mails.Addr() + "?tls=none", "MAIL_FROM": "Tandem <no-reply@tandem.example>",
	}
	for i := 0; i < len(variables); i += 2 {
		w.env[variables[i]] = variables[i+1]
	}
	return w
}

func (w *world) publicURL() string { return "http://127.0.0.1:" + strconv.Itoa(w.port) }

func (w *world) startMails() {
	w.t.Helper()
	catcher, err := mailcatch.Listen(mailcatch.Options{Keep: 2000, Refuse: w.gate.admit})
	if err != nil {
		w.t.Fatal(err)
	}
	w.mails = catcher
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := catcher.Run(ctx); err != nil {
			w.t.Errorf("mail catcher: %v", err)
		}
	})
	w.t.Cleanup(func() {
		w.gate.release()
		stop()
		running.Wait()
	})
}

// eachDatabase runs a test on PostgreSQL and on SQLite.
func eachDatabase(t *testing.T, test func(t *testing.T, database string)) {
	t.Helper()
	for name, url := range map[string]func(testing.TB) string{"postgres": storetest.PostgresURL, "sqlite": storetest.SQLiteURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, url(t))
		})
	}
}

// startS3 is an object store in this process. It has a bucket, unless its name
// is empty.
func startS3(t *testing.T, bucket string) (url string) {
	t.Helper()
	backend := s3mem.New()
	if bucket != "" {
		if err := backend.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return "s3://KEY:SECRET@" + strings.TrimPrefix(server.URL, "http://") + "/files?tls=false"
}

// query reads one value from the database.
func query[T any](w *world, statement string, args ...any) T {
	w.t.Helper()
	var value T
	if err := w.open().Read.QueryRowContext(w.t.Context(), statement, args...).Scan(&value); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
	return value
}

// exec changes the database.
func (w *world) exec(statement string, args ...any) {
	w.t.Helper()
	if _, err := w.open().Write.ExecContext(w.t.Context(), statement, args...); err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
}

// open opens the database that the services share.
func (w *world) open() *store.DB {
	w.t.Helper()
	if w.db == nil {
		db, err := store.Open(w.t.Context(), store.Options{URL: w.database, MaxConns: 2})
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = db.Close() })
		w.db = db
	}
	return w.db
}

// service is a process of ours that answers HTTP.
type service struct {
	*process
	url string // of the api; "" for a worker
	ops string // URL of its listener for operators
	key string // the caller's; "" is one that may do everything, "-" is none
}

// api starts an api on the port that links lead to, and waits until it is ready.
func (w *world) api(variables ...string) *service {
	w.t.Helper()
	return w.ready(w.startAPI(w.port, variables...))
}

// anotherAPI starts one on a port of its own.
func (w *world) anotherAPI() *service {
	w.t.Helper()
	return w.startAPI(freePort(w.t))
}

func (w *world) startAPI(port int, variables ...string) *service {
	w.t.Helper()
	own := []string{"HOST", "127.0.0.1", "PORT", strconv.Itoa(port), "API_KEYS", apiKeys(), "RATE_LIMIT", "off"}
	s := w.start("api", append(own, variables...))
	s.url = "http://127.0.0.1:" + strconv.Itoa(port)
	return s
}

// worker starts a worker and waits until it is ready.
func (w *world) worker(variables ...string) *service {
	w.t.Helper()
	return w.ready(w.start("worker", variables))
}

func (w *world) start(binary string, variables []string) *service {
	w.t.Helper()
	ops := "127.0.0.1:" + strconv.Itoa(freePort(w.t))
	env := maps.Clone(w.env)
	env["OPS_ADDR"] = ops
	for i := 0; i < len(variables); i += 2 {
		env[variables[i]] = variables[i+1]
	}
	return &service{process: launch(w.t, binary, env), ops: "http://" + ops}
}

func (w *world) ready(s *service) *service {
	w.t.Helper()
	eventually(w.t, s.name+" is ready", func() bool {
		if !s.running() {
			w.t.Fatalf("%s ended with code %d", s.name, s.code())
		}
		return status(s.ops+"/readyz") == 200
	})
	return s
}

// freePort picks a port that nobody listens on, below those that the kernel
// gives to outgoing connections, so that a service finds it free when it comes
// back.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 14000 + rand.IntN(6000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}
