//go:build containers

package containertest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestARegistrationIsAnsweredByMail(t *testing.T) {
	s := newStack(t)
	s.worker(t, "w1")
	s.client.register(t, "Ada", "ada@example.com")
	s.client.getsMail(t, "ada@example.com", 20*time.Second)
}

func TestAnExportCanBeDownloaded(t *testing.T) {
	s := newStack(t)
	s.worker(t, "w1")
	s.client.register(t, "Ada", "ada@example.com")
	id := s.client.mustAdd(t, "/api/v1/exports", `{"format":"csv","query":{"dataset":"naps","limit":20},"userId":"u1"}`)
	done := s.client.becomes(t, "export", id, "completed", 30*time.Second)
	var file []byte
	// The link is for PUBLIC_URL; the test reaches the api elsewhere.
	link := s.client.api + strings.TrimPrefix(done.Result.DownloadURL, "http://localhost:8080")
	if err := s.client.ask(t.Context(), http.MethodGet, link, "", http.StatusOK, &file); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(file), "\n"); lines != 21 || done.Result.Rows != 20 {
		t.Errorf("%d lines, %d rows:\n%s", lines, done.Result.Rows, file)
	}
}

// nap is an export of ten seconds.
const nap = `{"format":"csv","query":{"dataset":"naps"},"userId":"u1"}`

func TestAWorkerThatIsStoppedHandsItsJobToAnother(t *testing.T) {
	s := newStack(t)
	first := s.worker(t, "w1")
	id := s.client.mustAdd(t, "/api/v1/exports", nap)
	s.client.becomes(t, "export", id, "active", 20*time.Second)
	s.worker(t, "w2")

	began := time.Now()
	stop(t, first)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s to stop, with a SHUTDOWN_TIMEOUT of 2 s", took)
	}
	done := s.client.becomes(t, "export", id, "completed", 60*time.Second)
	wantTakenOver(t, done)
}

func TestTheJobOfAKilledWorkerIsDoneByAnother(t *testing.T) {
	s := newStack(t)
	first := s.worker(t, "w1")
	id := s.client.mustAdd(t, "/api/v1/exports", nap)
	s.client.becomes(t, "export", id, "active", 20*time.Second)
	s.worker(t, "w2")

	kill(t, first)
	done := s.client.becomes(t, "export", id, "completed", 60*time.Second)
	wantTakenOver(t, done)
}

// wantTakenOver: the export was begun twice, counted once and is whole.
func wantTakenOver(t *testing.T, done job) {
	t.Helper()
	if done.Started != 2 || done.Attempts != 1 || done.Result.Rows != 400 {
		t.Errorf("begun %d times, counted %d, %d rows; want 2, 1 and 400", done.Started, done.Attempts, done.Result.Rows)
	}
}

func TestARedisThatIsKilledComesBackWithEveryAcceptedJob(t *testing.T) {
	s := newStack(t)
	mails := s.addMails(t, 200)
	kill(t, s.redis)
	// While it is away nothing is promised.
	if id, err := s.client.add(t.Context(), "/api/v1/emails", mail("nobody@example.com")); err == nil {
		t.Errorf("job %s was accepted without Redis", id)
	} else if !strings.Contains(err.Error(), "503") {
		t.Errorf("without Redis: %v, want a 503", err)
	}
	s.client.register(t, "Bob", "bob@example.com") // his mail waits in the outbox

	if err := s.redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.worker(t, "w1")
	s.completed(t, mails)
	s.client.getsMail(t, "bob@example.com", 30*time.Second)
}

// Workers are replaced one by one while mails come in, as a rolling update does
// it: a new one first, then an old one goes.
func TestAnUpdateUnderLoadLosesAndFailsNothing(t *testing.T) {
	s := newStack(t)
	old := []string{"old-1", "old-2"}
	for _, name := range old {
		s.worker(t, name)
	}
	load, end := context.WithCancel(t.Context())
	var mails []string
	var producer sync.WaitGroup
	producer.Go(func() { mails = s.produce(load, t) })

	nap := s.client.mustAdd(t, "/api/v1/exports", nap)
	s.client.becomes(t, "export", nap, "active", 20*time.Second)
	for i, name := range old {
		s.worker(t, fmt.Sprintf("new-%d", i+1))
		stop(t, s.workers[name])
	}
	end()
	producer.Wait()

	if len(mails) < 50 {
		t.Fatalf("only %d mails were added meanwhile", len(mails))
	}
	s.completed(t, mails)
	if done := s.client.becomes(t, "export", nap, "completed", 60*time.Second); done.Attempts != 1 {
		t.Errorf("the export took %d attempts", done.Attempts)
	}
	t.Logf("%d mails during the update", len(mails))
}

// produce adds a mail every 20 ms until ctx ends, and returns the ids.
func (s *stack) produce(ctx context.Context, t *testing.T) []string {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	var ids []string
	for {
		select {
		case <-ctx.Done():
			return ids
		case <-ticker.C:
		}
		id, err := s.client.add(t.Context(), "/api/v1/emails", mail(fmt.Sprintf("user-%d@example.com", len(ids))))
		if err != nil {
			t.Errorf("a mail was not accepted: %v", err)
			return ids
		}
		ids = append(ids, id)
	}
}

func mail(to string) string {
	return fmt.Sprintf(`{"template":"generic","to":%q,"data":{"message":"Hello."}}`, to)
}

func (s *stack) addMails(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, s.client.mustAdd(t, "/api/v1/emails", mail(fmt.Sprintf("user-%d@example.com", i))))
	}
	return ids
}

// completed checks that each of these mails was sent at its first attempt, and
// reached its address once.
func (s *stack) completed(t *testing.T, ids []string) {
	t.Helper()
	for i, id := range ids {
		if done := s.client.becomes(t, "email", id, "completed", 60*time.Second); done.Attempts != 1 {
			t.Errorf("mail %d took %d attempts", i, done.Attempts)
		}
	}
	counts, err := s.client.mailed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range ids {
		if address := fmt.Sprintf("user-%d@example.com", i); counts[address] != 1 {
			t.Errorf("%s got %d mails", address, counts[address])
		}
	}
}
