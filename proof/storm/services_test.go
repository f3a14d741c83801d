package storm_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/mailcatch"
	"github.com/tandemq/tandem/internal/store/storetest"
	"github.com/tandemq/tandem/proof/storm"
)

// The real services: api is killed while it answers, and its clients repeat what
// they did not hear the end of; workers are rolled and killed. Each accepted
// request becomes one mail, which may be sent again only under its own Message-ID.
func TestEveryAcceptedRequestBecomesOneMail(t *testing.T) {
	t.Parallel()
	const requests = 240
	s := newServices(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var work sync.WaitGroup
	ended := make(chan struct{})
	work.Go(func() { s.trouble(ended) })
	s.send(ctx, requests)
	close(ended)
	work.Wait()
	s.await(ctx, requests)
	s.site.Close()
	for _, p := range s.site.Problems() {
		t.Error(p)
	}
	s.judge(requests)
}

// services are api and two workers with all that they need.
type services struct {
	t       *testing.T
	site    *storm.Site
	api     *storm.Program
	workers []*storm.Program
	url     string
	mails   *mailcatch.Catcher
	r       *rand.Rand
	kills   int
}

const callerKey = "full-0123456789abcdef"

func newServices(t *testing.T) *services {
	t.Helper()
	bin := t.TempDir()
	if text, err := exec.Command("go", "-C", "../..", "build", "-o", bin, "./cmd/api", "./cmd/worker").CombinedOutput(); err != nil {
		t.Fatalf("build the services: %v\n%s", err, text)
	}
	s := &services{t: t, site: storm.New(t, storm.Setup{}), mails: catcher(t), r: rand.New(rand.NewPCG(*seed, 2))}
	apiAddr := address(t)
	s.url = "http://" + apiAddr
	_, port, _ := strings.Cut(apiAddr, ":")
	env := []string{
		"APP_ENV=production", "LOG_FORMAT=json", "LOG_LEVEL=error", "DATA_DIR=" + t.TempDir(), "HOST=127.0.0.1", "PORT=" + port,
		"DATABASE_URL=" + storetest.SQLiteURL(t), "STORAGE_URL=file://" + t.TempDir(), "PUBLIC_URL=" + s.url,
		"URL_SIGNING_KEY=0123456789abcdef0123456789abcdef", "SMTP_URL=smtp://" + s.mails.Addr() + "?tls=none",
		"MAIL_FROM=Tandem <no-reply@tandem.example>", "API_KEYS=full:" + callerKey + ":jobs:write+jobs:read", "RATE_LIMIT=off",
		"SHUTDOWN_TIMEOUT=5s",
	}
	program := func(name string) *storm.Program {
		ops := address(t)
		return s.site.Keep(name, func(url string) []string {
			line := append([]string{"env", "-i", "PATH=" + os.Getenv("PATH"), "REDIS_URL=" + url, "OPS_ADDR=" + ops}, env...)
			return append(line, filepath.Join(bin, name))
		})
	}
	s.api = program("api")
	s.workers = []*storm.Program{program("worker"), program("worker")}
	return s
}

// catcher is a mail server in this process.
func catcher(t *testing.T) *mailcatch.Catcher {
	t.Helper()
	c, err := mailcatch.Listen(mailcatch.Options{Keep: 5000})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("mail catcher: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return c
}

// address is one that nobody listens on, below those that the kernel gives away.
func address(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 9000+rand.IntN(4000))
		if l, err := net.Listen("tcp", addr); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return addr
		}
	}
	t.Fatal("no address is free")
	return ""
}

// trouble kills and rolls until the clients are done.
func (s *services) trouble(ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-time.After(time.Duration(700+s.r.IntN(1500)) * time.Millisecond):
		}
		victim, sig := s.api, syscall.SIGKILL
		switch s.r.IntN(4) {
		case 0:
			victim, sig = s.workers[s.r.IntN(2)], syscall.SIGTERM
		case 1:
			victim = s.workers[s.r.IntN(2)]
		}
		s.kills++
		if err := victim.Signal(sig); err != nil {
			s.t.Error(err)
		}
	}
}

// send makes all requests, a few at a time, each again and again until it was
// accepted.
func (s *services) send(ctx context.Context, requests int) {
	s.t.Helper()
	numbers := make(chan int)
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			for n := range numbers {
				s.insist(ctx, n)
				wait(ctx, 250*time.Millisecond) // so that it lasts long enough for trouble
			}
		})
	}
	for n := range requests {
		numbers <- n
	}
	close(numbers)
	clients.Wait()
}

func (s *services) insist(ctx context.Context, n int) {
	for ctx.Err() == nil {
		status, said, err := s.post(ctx, n)
		switch {
		case err == nil && status == http.StatusAccepted:
			return
		case err == nil && status != http.StatusConflict && status != http.StatusServiceUnavailable:
			s.t.Errorf("request %d: %d %s", n, status, said)
			return
		}
		wait(ctx, 50*time.Millisecond)
	}
	s.t.Errorf("request %d was never accepted", n)
}

func recipient(n int) string { return fmt.Sprintf("reader-%d@example.com", n) }

func (s *services) post(ctx context.Context, n int) (status int, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body := fmt.Sprintf(`{"template":"generic","to":%q,"data":{"heading":"News","message":"Once."},"options":{"maxAttempts":5}}`, recipient(n))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/emails", bytes.NewBufferString(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+callerKey)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprintf("storm-%d-%d", *seed, n))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// ids are the Message-IDs of the mails to each recipient, with their numbers.
func (s *services) ids() map[string]map[string]int {
	ids := map[string]map[string]int{}
	for _, m := range s.mails.Mails() {
		for _, to := range m.To {
			if ids[to] == nil {
				ids[to] = map[string]int{}
			}
			ids[to][m.Header.Get("Message-ID")]++
		}
	}
	return ids
}

func (s *services) await(ctx context.Context, requests int) {
	for ctx.Err() == nil && len(s.ids()) < requests {
		wait(ctx, 100*time.Millisecond)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *services) judge(requests int) {
	s.t.Helper()
	ids, again := s.ids(), 0
	for n := range requests {
		of := ids[recipient(n)]
		if len(of) != 1 {
			s.t.Errorf("request %d became mails with the ids %v, want one id", n, of)
		}
		for _, times := range of {
			again += times - 1
		}
	}
	s.t.Logf("%d requests, %d mails to %d readers, %d of them sent again under their id, %d signals", requests, len(s.mails.Mails()), len(ids), again, s.kills)
}
