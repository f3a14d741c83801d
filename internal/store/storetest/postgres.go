package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// errNoPostgres: the machine has no PostgreSQL and none was named.
var errNoPostgres = errors.New("no PostgreSQL: install postgresql, or set TEST_POSTGRES_URL")

// cluster is a running server.
type cluster struct {
	url      string
	lifeline *os.File // our own server ends when this is closed; nil for one that was named
}

// shared is the server of all tests of this binary. It is looked for or
// started by the first test that asks.
var shared = sync.OnceValues(func() (cluster, error) {
	if named := os.Getenv("TEST_POSTGRES_URL"); named != "" {
		return cluster{url: named}, nil
	}
	return startCluster()
})

// PostgresURL makes an empty database for the test. On a server that was named
// it is removed afterwards; our own server goes as a whole.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if errors.Is(err, errNoPostgres) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := administer(server.url, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create test database: %v", err)
	}
	if server.lifeline != nil {
		return withDatabase(t, server.url, name)
	}
	t.Cleanup(func() {
		if err := administer(server.url, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop test database: %v", err)
		}
	})
	return withDatabase(t, server.url, name)
}

func withDatabase(t testing.TB, base, name string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal("TEST_POSTGRES_URL cannot be read")
	}
	u.Path = "/" + name
	return u.String()
}

func administer(base, statement string) error {
	db, err := sql.Open("pgx", base)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// startCluster makes a cluster in a new directory and runs it without a port,
// and without caring for a power cut.
func startCluster() (cluster, error) {
	bin, err := findBinaries()
	if err != nil {
		return cluster{}, err
	}
	owner, err := serverUser()
	if err != nil {
		return cluster{}, err
	}
	dir, err := ownedDir(owner)
	if err != nil {
		return cluster{}, err
	}
	if err := initCluster(bin, dir, owner); err != nil {
		return cluster{}, errors.Join(err, os.RemoveAll(dir))
	}
	lifeline, err := supervise(bin, dir, owner)
	if err != nil {
		return cluster{}, errors.Join(err, os.RemoveAll(dir))
	}
	c := cluster{url: "postgres://postgres@/postgres?host=" + url.QueryEscape(dir), lifeline: lifeline}
	return c, awaitServer(c.url, filepath.Join(dir, "log"))
}

// ownedDir makes a directory with a short path, because a socket's is limited.
func ownedDir(owner *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", "pg")
	if err != nil || owner == nil {
		return dir, err
	}
	return dir, os.Chown(dir, int(owner.Uid), int(owner.Gid))
}

// findBinaries finds the directory of initdb and postgres: on the PATH, or
// where Debian keeps the newest version.
func findBinaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.Join(errNoPostgres, err)
	}
	return filepath.Dir(slices.Max(found)), nil
}

// serverUser is who runs the server: PostgreSQL refuses to be root. Nil is the
// user who runs the tests.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.Join(errNoPostgres, err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func initCluster(bin, dir string, owner *syscall.Credential) error {
	cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// supervisor runs the server until its own standard input ends. The tests hold
// the other end, and the kernel closes it however the test binary goes, so
// neither a server nor its directory is left behind.
const supervisor = `
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
	-c synchronous_commit=off -c shared_buffers=16MB -c max_connections=200 >"$2/log" 2>&1 &
read -r _
kill -QUIT $!
wait $!
cd / && rm -rf "$2"
`

func supervise(bin, dir string, owner *syscall.Credential) (lifeline *os.File, err error) {
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	cmd := exec.Command("/bin/sh", "-c", supervisor, "sh", bin, dir)
	cmd.Dir = dir
	cmd.Stdin = stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, lifeline.Close())
	}
	return lifeline, nil
}

func awaitServer(base, log string) error {
	var err error
	for range 200 {
		if err = administer(base, "SELECT 1"); err == nil {
			return nil
		}
		<-time.After(50 * time.Millisecond)
	}
	text, readErr := os.ReadFile(log)
	return errors.Join(fmt.Errorf("server does not answer: %w\n%s", err, text), readErr)
}
