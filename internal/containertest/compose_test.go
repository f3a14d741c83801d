//go:build containers

package containertest

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// The compose file as a stranger uses it: up, one registration, its mail, an
// export with the key that was made, and down.
func TestTheComposeFileStartsAWorkingStack(t *testing.T) {
	i := theImages(t)
	words := strings.Fields(os.Getenv("COMPOSE"))
	if len(words) == 0 {
		words = []string{"docker", "compose"}
	}
	if _, err := run(append(words, "version")); err != nil {
		if os.Getenv("CONTAINERTEST_STRICT") == "1" {
			t.Fatalf("there is no %s, and CONTAINERTEST_STRICT is set: %v", strings.Join(words, " "), err)
		}
		t.Skipf("SKIPPED: there is no %s: %v", strings.Join(words, " "), err)
	}
	port, mails := freePort(t), freePort(t)
	env := []string{
		"TANDEM_API_IMAGE=" + i.API, "TANDEM_WORKER_IMAGE=" + i.Worker, "PORT=" + port, "MAIL_PORT=" + mails,
		"OPS_PORT=" + freePort(t), "PUBLIC_URL=http://localhost:" + port,
	}
	compose := func(args ...string) string {
		t.Helper()
		said, err := run(append(append(words, "-p", "tandem-containertest", "-f", root+"/docker-compose.yml"), args...), env...)
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	t.Cleanup(func() { compose("down", "-v", "--timeout", "20") })
	compose("up", "-d", "--wait", "--no-build", "--scale", "worker=2")

	c := client{api: "http://localhost:" + port, mails: "http://localhost:" + mails, key: compose("run", "--rm", "-T", "keys", "api_key")}
	c.register(t, "Ada", "ada@example.com")
	c.getsMail(t, "ada@example.com", 20*time.Second)
	id := c.mustAdd(t, "/api/v1/exports", `{"format":"csv","query":{},"userId":"u1"}`)
	done := c.becomes(t, "export", id, "completed", 30*time.Second)
	var file []byte
	eventually(t, 5*time.Second, "download", func(ctx context.Context) error {
		return c.ask(ctx, "GET", done.Result.DownloadURL, "", 200, &file)
	})
	if !strings.Contains(string(file), "ada@example.com") {
		t.Errorf("the export lacks the user:\n%s", file)
	}
	if running := compose("ps", "--status", "running", "-q", "worker"); len(strings.Fields(running)) != 2 {
		t.Errorf("running workers: %q, want 2", running)
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
