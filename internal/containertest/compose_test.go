//go:build containers

package containertest

import (
	"cmp"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// composed is the compose file brought up, under a name and on ports of its own.
type composed struct {
	client
	t       *testing.T
	command []string // docker compose, with project and file
	env     []string
}

// composeUp brings the stack up until the test ends.
func composeUp(t *testing.T, args ...string) *composed {
	t.Helper()
	i := theImages(t)
	port, mails := freePort(t), freePort(t)
	c := &composed{
		client:  client{api: "http://localhost:" + port, mails: "http://localhost:" + mails},
		t:       t,
		command: append(composeCommand(t), "-p", "tandem-containertest", "-f", absolute(t, root+"/docker-compose.yml")),
		env: []string{
			"TANDEM_API_IMAGE=" + i.API, "TANDEM_WORKER_IMAGE=" + i.Worker, "PORT=" + port, "MAIL_PORT=" + mails,
			"OPS_PORT=" + freePort(t), "PUBLIC_URL=http://localhost:" + port,
		},
	}
	t.Cleanup(func() { c.run("down", "-v", "--timeout", "20") })
	c.run(append([]string{"up", "-d", "--wait", "--no-build"}, args...)...)
	c.key = c.run("run", "--rm", "-T", "keys", "api_key")
	return c
}

// composeCommand is how Docker Compose is called here; without it, the test is
// skipped.
func composeCommand(t *testing.T) []string {
	t.Helper()
	words := strings.Fields(cmp.Or(os.Getenv("COMPOSE"), "docker compose"))
	if _, err := run(append(slices.Clone(words), "version")); err != nil {
		if os.Getenv("CONTAINERTEST_STRICT") == "1" {
			t.Fatalf("there is no %s, and CONTAINERTEST_STRICT is set: %v", strings.Join(words, " "), err)
		}
		t.Skipf("SKIPPED: there is no %s: %v", strings.Join(words, " "), err)
	}
	return words
}

// run is one command of Docker Compose on the stack.
func (c *composed) run(args ...string) string {
	c.t.Helper()
	said, err := run(append(slices.Clone(c.command), args...), c.env...)
	if err != nil {
		c.t.Fatal(err)
	}
	return said
}

// exports has a file of all users made and returns it.
func (c *composed) exports() string {
	c.t.Helper()
	id := c.mustAdd(c.t, "/api/v1/exports", `{"format":"csv","query":{},"userId":"u1"}`)
	done := c.becomes(c.t, "export", id, "completed", 30*time.Second)
	var file []byte
	if err := c.ask(c.t.Context(), http.MethodGet, done.Result.DownloadURL, "", http.StatusOK, &file); err != nil {
		c.t.Fatal(err)
	}
	return string(file)
}

// The compose file as a stranger uses it: up, one registration, its mail, an
// export with the key that was made, and down.
func TestTheComposeFileStartsAWorkingStack(t *testing.T) {
	c := composeUp(t, "--scale", "worker=2")
	c.register(t, "Ada", "ada@example.com")
	c.getsMail(t, "ada@example.com", 20*time.Second)
	if file := c.exports(); !strings.Contains(file, "ada@example.com") {
		t.Errorf("the export lacks the user:\n%s", file)
	}
	if running := c.run("ps", "--status", "running", "-q", "worker"); len(strings.Fields(running)) != 2 {
		t.Errorf("running workers: %q, want 2", running)
	}
	// The password is one that was made: an image that did not read it from its file
	// would have another.
	if _, err := run(append(slices.Clone(c.command), "exec", "-T", "-e", "PGPASSWORD=postgres", "postgres",
		"psql", "-h", "postgres", "-U", "tandem", "-c", "SELECT 1"), c.env...); err == nil {
		t.Error("the database lets everybody in who guesses")
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
