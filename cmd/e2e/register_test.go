package e2e_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/mailcatch"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/store/storetest"
)

const ada = `{"name":"Ada Lovelace","email":"Ada@Example.com","password":"correct horse battery staple"}`

// account is the answer to POST /register.
type account struct {
	User struct{ ID, Name, Email, Status, CreatedAt string }
}

func TestWhoRegistersGetsAMailWhoseLinkVerifiesOnce(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		api := w.api()
		w.worker()
		user := decode[account](t, api.post("/register", ada, "Authorization", "").want(t, 201)).User
		if user.Name != "Ada Lovelace" || user.Email != "ada@example.com" || user.Status != "pending" || user.ID == "" {
			t.Errorf("user %+v", user)
		}
		mail := w.await(1)[0]
		if !strings.Contains(mail.Subject, "Ada Lovelace") || len(mail.To) != 1 || mail.To[0] != "ada@example.com" || mail.Problem != "" {
			t.Errorf("mail %q to %v: %s", mail.Subject, mail.To, mail.Problem)
		}
		link := verification(t, w, mail)
		page := api.get(link, "Authorization", "", "Accept", "text/html").want(t, 200)
		if strings.Count(page.body, "<button") != 1 {
			t.Errorf("page %s", page.body)
		}
		if got := query[string](w, "SELECT status FROM users WHERE id = $1", user.ID); got != "pending" {
			t.Errorf("looking at the page made the account %s", got)
		}
		_, token, _ := strings.Cut(link, "token=")
		use := func() answer {
			return api.post("/verify", "token="+token, "Authorization", "", "Content-Type", "application/x-www-form-urlencoded")
		}
		use().want(t, 200)
		if got := query[string](w, "SELECT status FROM users WHERE id = $1", user.ID); got != "active" {
			t.Errorf("the account is %s", got)
		}
		use().want(t, 410)
	})
}

// verification is the link in a mail that leads to this world's api.
func verification(t *testing.T, w *world, mail *mailcatch.Mail) string {
	t.Helper()
	for _, link := range mail.Links {
		if strings.HasPrefix(link, w.publicURL()+"/verify?token=") {
			return link
		}
	}
	t.Fatalf("no link to %s in %v", w.publicURL(), mail.Links)
	return ""
}

func TestAKnownAddressGetsTheSameAnswerAndAnotherMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api := w.api()
	w.worker()
	first := decode[account](t, api.post("/register", ada).want(t, 201))
	welcome := w.await(1)[0]
	second := decode[account](t, api.post("/register", ada).want(t, 201))
	notice := w.await(2)[0]

	second.User.ID, second.User.CreatedAt = first.User.ID, first.User.CreatedAt
	if first != second {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if welcome.Subject == notice.Subject || !strings.Contains(notice.Subject, "already have an account") {
		t.Errorf("first %q, then %q", welcome.Subject, notice.Subject)
	}
	if n := query[int](w, "SELECT COUNT(*) FROM users"); n != 1 {
		t.Errorf("%d users", n)
	}
	for _, link := range notice.Links {
		if strings.Contains(link, "token=") {
			t.Errorf("the second mail has a link that signs in: %s", link)
		}
	}
}

func TestWithoutRedisRegisteringWorksAndJobsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, outage := range []struct {
		name       string
		begin, end func(*redistest.Instance)
	}{
		{"killed", (*redistest.Instance).Kill, (*redistest.Instance).Restart},
		{"frozen", (*redistest.Instance).Pause, (*redistest.Instance).Resume},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.PostgresURL(t))
			api, worker := w.api(), w.worker()
			outage.begin(w.redis)
			api.post("/register", ada).want(t, 201)
			var refused sync.WaitGroup
			for range 40 { // more than there are connections
				refused.Go(func() { expectUnavailable(api, generic("grace@example.com")) })
			}
			refused.Wait()
			eventually(t, "the probe turns red", func() bool { return status(api.url+"/readyz") == http.StatusServiceUnavailable })

			outage.end(w.redis)
			took := eventually(t, "the api is ready again", func() bool { return status(api.url+"/readyz") == http.StatusOK })
			if took > time.Second {
				t.Errorf("ready %s after Redis was back", took)
			}
			api.post("/api/v1/emails", generic("alan@example.com")).want(t, 202)
			w.expectVerification("ada@example.com")
			worker.stop()
			api.stop()
		})
	}
}

// expectUnavailable posts a mail, and wants to be told soon to come back later.
func expectUnavailable(api *service, body string) {
	a, err := api.try(api.t.Context(), http.MethodPost, "/api/v1/emails", body)
	switch {
	case err != nil:
		api.t.Error(err)
	case a.status != 503 || a.header.Get("Retry-After") == "" || a.header.Get("Content-Type") != "application/problem+json":
		api.t.Errorf("status %d, headers %v: %s", a.status, a.header, a.body)
	case a.took > 2*time.Second:
		api.t.Errorf("refused after %s", a.took)
	}
}

// expectVerification waits for the mail to somebody who registered.
func (w *world) expectVerification(to string) {
	w.t.Helper()
	eventually(w.t, "the welcome mail", func() bool {
		for _, mail := range w.mails.Mails() {
			if mail.To[0] == to {
				verification(w.t, w, mail)
				return true
			}
		}
		return false
	})
}
