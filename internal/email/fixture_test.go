package email_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/mailcatch"
)

// catch runs a catcher for the length of the test.
func catch(t *testing.T, o mailcatch.Options) *mailcatch.Catcher {
	t.Helper()
	c, err := mailcatch.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("catcher: %v", err)
		}
	})
	return c
}

// smtp is a transport for the server at addr; parameters are those of the URL.
func smtp(t *testing.T, addr, parameters string, config *tls.Config) *email.SMTP {
	t.Helper()
	return smtpURL(t, "smtp://"+addr+"?"+parameters, config)
}

func smtpURL(t *testing.T, url string, config *tls.Config) *email.SMTP {
	t.Helper()
	server, err := email.ParseServer(url)
	if err != nil {
		t.Fatal(err)
	}
	s := email.NewSMTP(server, config)
	t.Cleanup(s.Close)
	return s
}

// openDB is an empty database with the one table that this room writes.
func openDB(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "mail.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(`CREATE TABLE email_messages (
		id TEXT NOT NULL PRIMARY KEY, tenant_id TEXT NOT NULL DEFAULT '', template TEXT NOT NULL,
		address_hash TEXT NOT NULL, address_masked TEXT NOT NULL, subject TEXT NOT NULL DEFAULT '',
		status TEXT NOT NULL CHECK (status IN ('sent', 'failed')), error TEXT NOT NULL DEFAULT '',
		attempts INTEGER NOT NULL DEFAULT 0, created_at BIGINT NOT NULL, sent_at BIGINT)`); err != nil {
		t.Fatal(err)
	}
	return db
}

var hashKey = []byte("a key that only the tests know")

// noon is when these tests happen.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// jobID is an id as the API makes them, of a job that is added at noon.
const jobID = "01a20d6d-5a00-7f80-9a1b-2c3d4e5f6071"

func newMailer(t *testing.T, s *email.SMTP, ledger *email.Ledger) *email.Mailer {
	t.Helper()
	m, err := email.New(s, ledger, email.Options{
		From: "Northwind <no-reply@Northwind.example>", HashKey: hashKey, Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func greeting(to string) email.Payload {
	return email.Payload{Template: "welcome", To: to, Data: map[string]any{"name": "Ada"}}
}

func request(jobID string) email.SendRequest {
	return email.SendRequest{JobID: jobID, Attempt: 1, TenantID: "acme", QueuedAt: noon, Payload: greeting("ada@example.com")}
}

// certify makes an authority, and a certificate of it for 127.0.0.1.
func certify(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return server, &tls.Config{RootCAs: roots}
}

// What a scripted server does in place of answering.
const (
	drop = "drop" // closes the connection
	hang = "hang" // says nothing more
)

// scripted is an SMTP server that follows a script: by the verb of a command
// (or "greeting", "content") what it answers. Unscripted verbs are accepted. The
// script runs under mu.
type scripted struct {
	listener net.Listener
	script   func(connection int, verb string) string
	done     sync.WaitGroup

	mu          sync.Mutex // guards what follows, but for told
	connections []net.Conn
	verbs       []string
	told        chan string // every verb, as it comes
}

func script(t *testing.T, answer func(connection int, verb string) string) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{listener: l, script: answer, told: make(chan string, 1000)}
	s.done.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

// always answers one verb in one way.
func always(verb, answer string) func(int, string) string {
	return func(_ int, v string) string {
		if v == verb {
			return answer
		}
		return ""
	}
}

func (s *scripted) addr() string { return s.listener.Addr().String() }

func (s *scripted) stop() {
	_ = s.listener.Close()
	s.mu.Lock()
	for _, c := range s.connections {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *scripted) accept() {
	for n := 1; ; n++ {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.connections = append(s.connections, c)
		s.mu.Unlock()
		s.done.Go(func() { s.serve(n, c) })
	}
}

// count is how often a verb came.
func (s *scripted) count(verb string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, v := range s.verbs {
		if v == verb {
			n++
		}
	}
	return n
}

func (s *scripted) serve(n int, c net.Conn) {
	defer c.Close()
	lines := bufio.NewReader(c)
	if !s.answer(n, c, "greeting", "220 script ready") {
		s.outlast(lines)
		return
	}
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		usual := map[string]string{"DATA": "354 go ahead", "QUIT": "221 bye"}[verb]
		if usual == "" {
			usual = "250 ok"
		}
		if !s.answer(n, c, verb, usual) {
			s.outlast(lines)
			return
		}
		if verb == "DATA" && s.accepts(n) && !s.content(n, c, lines) {
			s.outlast(lines)
			return
		}
	}
}

// accepts reports whether DATA was answered with 354.
func (s *scripted) accepts(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.script(n, "DATA") == ""
}

func (s *scripted) content(n int, c net.Conn, lines *bufio.Reader) bool {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			return s.answer(n, c, "content", "250 taken")
		}
	}
}

// answer reports whether the conversation goes on.
func (s *scripted) answer(n int, c net.Conn, verb, usual string) bool {
	s.mu.Lock()
	s.verbs = append(s.verbs, verb)
	reply := s.script(n, verb)
	s.mu.Unlock()
	s.told <- verb
	switch reply {
	case drop:
		_ = c.Close()
		return false
	case hang:
		return false
	case "":
		reply = usual
	}
	_, err := fmt.Fprintf(c, "%s\r\n", reply)
	return err == nil
}

// outlast keeps a silent connection until the other side gives up.
func (s *scripted) outlast(lines *bufio.Reader) {
	for {
		if _, err := lines.ReadByte(); err != nil {
			return
		}
	}
}

// until waits for the server to have been told a verb.
func (s *scripted) until(t *testing.T, verb string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		select {
		case told := <-s.told:
			if told == verb {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%s never came", verb)
		}
	}
}
