package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/handlers/adapt"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
	"github.com/tandemq/tandem/internal/users"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// The keys of the callers that tests know.
const (
	fullKey   = "full-secret-0123456789"
	writeKey  = "write-secret-0123456789"
	readKey   = "read-secret-0123456789"
	tenantKey = "tenant-secret-0123456789"
	userKey   = "user-secret-0123456789"
	evilKey   = "evil-secret-0123456789" // known where a test says so
)

func apiKeys() []string {
	return []string{
		"full:" + fullKey + ":jobs:write+jobs:read+queues:read+exports:all",
		"writer:" + writeKey + ":jobs:write",
		"reader:" + readKey + ":jobs:read",
		"acme:" + tenantKey + ":jobs:write+jobs:read+tenant=acme",
		"ada:" + userKey + ":jobs:write+jobs:read+tenant=acme+user=ada",
	}
}

// queueNames are those of the service.
var queueNames = []string{"email", "export", "report", "email-report"}

// service is the API on real parts: Redis, SQLite, a directory of files.
type service struct {
	t      *testing.T
	api    *handlers.API
	server *httptest.Server
	db     *store.DB
	files  *storage.FS
	signer *storage.Signer
	conn   *redisconn.Conn
	prefix string
	admin  map[string]*admin.Queue
	logs   *safeBuffer
	now    atomic.Int64 // added to the clock, in ns
}

// start builds the API on a Redis; change may alter its options.
func start(t *testing.T, redis *redistest.Server, change ...func(*handlers.Options)) *service {
	t.Helper()
	s := &service{t: t, db: storetest.SQLite(t), admin: map[string]*admin.Queue{}, logs: &safeBuffer{}, prefix: redis.Prefix(t)}
	s.connect(redis)
	s.openFiles()
	o := s.options()
	for _, one := range change {
		one(&o)
	}
	api, err := handlers.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.api = api
	s.server = httptest.NewServer(api.Handler())
	t.Cleanup(func() {
		api.Drain()
		s.server.Close()
		api.Close()
	})
	return s
}

func (s *service) connect(redis *redistest.Server) {
	s.t.Helper()
	conn, err := redisconn.Open(redisconn.Options{URL: redis.URL, DialTimeout: 500 * time.Millisecond, CallTimeout: time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	s.conn = conn
}

func (s *service) openFiles() {
	s.t.Helper()
	signer, err := storage.NewSigner(strings.Repeat("k", storage.MinSecret))
	if err != nil {
		s.t.Fatal(err)
	}
	files, err := storage.OpenFS(s.t.TempDir(), storage.Options{Signer: signer, PublicURL: "https://tandem.example"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = files.Close() })
	s.signer, s.files = signer, files
}

func (s *service) options() handlers.Options {
	s.t.Helper()
	reports, err := report.NewCatalogue()
	catalogue, catalogueErr := dataset.Load("")
	accounts, accountsErr := users.New(users.Options{
		Tx: s.db.Tx, Read: s.db.Read, Outbox: store.NewOutbox(s.db), Address: email.ParseAddress,
		PublicURL: "https://tandem.example", HashSlots: 2, Now: s.clock,
	})
	for _, err := range []error{err, catalogueErr, accountsErr} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return handlers.Options{
		Queues: s.queues(), Follow: adapt.Follower(s.conn, s.prefix),
		Catalogue: catalogue, Reports: reports, Accounts: accounts,
		Artifacts: store.NewArtifacts(s.db), Files: adapt.Files{Store: s.files}, Links: adapt.Links(s.signer),
		Idempotency: store.NewIdempotency(s.db, store.IdempotencyOptions{Now: s.clock}), Audit: store.NewAudit(s.db),
		Version: map[string]string{"version": "v1.2.3"},
		APIKeys: apiKeys(), AccountLimit: handlers.Rate{Count: 1000, Per: time.Minute},
		Logger: slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), Registry: prometheus.NewRegistry(),
		Now: s.clock,
	}
}

func (s *service) queues() map[string]handlers.Queue {
	s.t.Helper()
	all := map[string]handlers.Queue{}
	for _, name := range queueNames {
		add, err := queue.New(s.conn, name, queue.Options{Prefix: s.prefix})
		look, lookErr := admin.New(s.conn, s.prefix, name)
		if err != nil || lookErr != nil {
			s.t.Fatal(err, lookErr)
		}
		s.t.Cleanup(add.Close)
		s.admin[name] = look
		all[name] = adapt.NewQueue(add, look)
	}
	return all
}

func (s *service) clock() time.Time { return time.Now().Add(time.Duration(s.now.Load())) }

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request with the key of a caller who may do everything, unless a
// header says otherwise.
func (s *service) do(method, path, body string, header ...string) answer {
	s.t.Helper()
	a, err := s.ask(method, path, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// ask is do for goroutines, which cannot end a test.
func (s *service) ask(method, path, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("X-API-Key", fullKey)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		switch {
		case header[i+1] == "":
			r.Header.Del(header[i])
		case header[i] == "Host":
			r.Host = header[i+1]
		default:
			r.Header.Set(header[i], header[i+1])
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// want fails the test unless the answer has the status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// decode reads the body.
func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// problem checks the form of an error and returns it.
func (a answer) problem(t *testing.T, status int) handlers.Problem {
	t.Helper()
	a.want(t, status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	p := decode[handlers.Problem](t, a)
	if p.Status != status || p.Type == "" || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-ID") {
		t.Errorf("not a whole problem: %s", a.body)
	}
	return p
}

// stored counts the jobs of all queues.
func (s *service) stored() int64 {
	s.t.Helper()
	var n int64
	for _, q := range s.admin {
		counts, err := q.Counts(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		n += counts.Waiting + counts.Active + counts.Completed + counts.Failed + counts.Delayed
	}
	return n
}

// fields are the names of the fields that a problem complains about.
func fields(p handlers.Problem) string {
	var names []string
	for _, f := range p.Errors {
		names = append(names, f.Field)
	}
	return strings.Join(names, ",")
}

// safeBuffer is where logs go.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const goodEmail = `{"template":"welcome","to":"ada@example.com","data":{"name":"Ada","verifyUrl":"https://tandem.example/verify?token=x"}}`

var (
	goodExport = `{"format":"csv","query":{},"userId":"ada"}`
	goodReport = `{"reportType":"usage","dateRange":{"start":"2026-01-01","end":"2026-02-01"},"tenantId":"acme"}`
	goodJob    = fmt.Sprintf(`{"type":"email","payload":%s}`, goodEmail)
)
