package users_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
	"github.com/tandemq/tandem/internal/users"
)

// desk is a service on a real database, with a clock that the test moves.
type desk struct {
	*users.Service
	t    *testing.T
	db   *store.DB
	now  atomic.Pointer[time.Time]
	woke atomic.Int64
}

func newDesk(t *testing.T, db *store.DB) *desk {
	t.Helper()
	d := &desk{t: t, db: db}
	d.at(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	service, err := users.New(users.Options{
		Tx: db.Tx, Read: db.Read, Outbox: store.NewOutbox(db), Address: parseAddress, PublicURL: "https://tandem.example.com/",
		Wake: func() { d.woke.Add(1) }, Now: func() time.Time { return *d.now.Load() },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Service = service
	return d
}

// parseAddress stands for the rule of the room that sends mails.
func parseAddress(field, address string) (string, error) {
	if strings.Count(address, "@") != 1 {
		return "", jobs.Invalid(field, "must be one address")
	}
	return address, nil
}

func (d *desk) at(now time.Time)         { d.now.Store(&now) }
func (d *desk) later(wait time.Duration) { d.at(d.now.Load().Add(wait)) }

func (d *desk) register(r users.Registration) users.User {
	d.t.Helper()
	user, err := d.Register(d.t.Context(), r)
	if err != nil {
		d.t.Fatal(err)
	}
	return user
}

// mails takes the mails that are on their way out of the outbox.
func (d *desk) mails() []outbox.Entry {
	d.t.Helper()
	table, now := store.NewOutbox(d.db), *d.now.Load()
	entries, err := table.Claim(d.t.Context(), now, now.Add(time.Minute), 100)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range entries {
		if err := table.MarkSent(d.t.Context(), now, e.ID); err != nil {
			d.t.Fatal(err)
		}
	}
	return entries
}

type mail struct {
	Template, To string
	Data         map[string]string
}

func (d *desk) oneMail() mail {
	d.t.Helper()
	entries := d.mails()
	if len(entries) != 1 {
		d.t.Fatalf("%d mails, want one", len(entries))
	}
	var m mail
	if err := json.Unmarshal(entries[0].Payload, &m); err != nil {
		d.t.Fatal(err)
	}
	return m
}

func (m mail) token() string {
	link, err := url.Parse(m.Data["verifyUrl"])
	if err != nil {
		return err.Error()
	}
	return link.Query().Get("token")
}

func (d *desk) count(from string, values ...any) int {
	d.t.Helper()
	var n int
	if err := d.db.Read.QueryRowContext(d.t.Context(), "SELECT COUNT(*) FROM "+from, values...).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

var ada = users.Registration{Name: " Ada Lovelace ", Email: "Ada@Example.com", Password: "analytical engine"}

func TestSigningUp(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		user := d.register(ada)
		want := users.User{ID: user.ID, Name: "Ada Lovelace", Email: "ada@example.com", Status: users.Pending, CreatedAt: *d.now.Load()}
		if diff := cmp.Diff(want, user); diff != "" {
			t.Error(diff)
		}
		if d.woke.Load() != 1 {
			t.Errorf("the relay was woken %d times", d.woke.Load())
		}

		entries := d.mails()
		if len(entries) != 1 {
			t.Fatalf("%d mails, want one", len(entries))
		}
		var m mail
		if err := json.Unmarshal(entries[0].Payload, &m); err != nil {
			t.Fatal(err)
		}
		token := m.token()
		wantMail := mail{Template: "welcome", To: "ada@example.com", Data: map[string]string{
			"name": "Ada Lovelace", "verifyUrl": "https://tandem.example.com/verify?token=" + token, "expiresIn": "24 hours"}}
		if diff := cmp.Diff(wantMail, m); diff != "" {
			t.Error(diff)
		}
		wantJob := outbox.Entry{ID: entries[0].ID, Queue: "email", Name: "welcome", Payload: entries[0].Payload, CreatedAt: *d.now.Load(), Attempts: 1,
			Options: jobs.Options{Priority: jobs.High, Attempts: 3, Backoff: jobs.Backoff{Type: jobs.Exponential, Delay: 5 * time.Second, Jitter: 0.2}}}
		if diff := cmp.Diff(wantJob, entries[0]); diff != "" {
			t.Error(diff)
		}

		if err := d.Peek(t.Context(), token); err != nil {
			t.Errorf("peek: %v", err)
		}
		active, err := d.Consume(t.Context(), token)
		want.Status = users.Active
		if diff := cmp.Diff(want, active); diff != "" || err != nil {
			t.Errorf("consume: %v\n%s", err, diff)
		}
		if n := d.count("users WHERE status = 'active' AND verified_at = $1", d.now.Load().UnixMilli()); n != 1 {
			t.Error("the account is not stored as active since now")
		}
	})
}

func TestNeitherPasswordNorTokenStaysInTheDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.register(ada)
		token := d.oneMail().token()
		for _, column := range []string{"users.password_hash", "verification_tokens.token_hash", "outbox.payload"} {
			table, name, _ := strings.Cut(column, ".")
			if n := d.count(table+" WHERE "+name+" LIKE $1 OR "+name+" LIKE $2", "%"+token+"%", "%"+ada.Password+"%"); n != 0 {
				t.Errorf("%s holds a secret", column)
			}
		}
	})
}

func TestAKnownAddressGetsTheSameAnswerAndAnotherMail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, confirmed := range []bool{false, true} {
			d := newDesk(t, db)
			email := fmt.Sprintf("ada-%t@example.com", confirmed)
			first := d.register(users.Registration{Name: "Ada", Email: email, Password: ada.Password})
			token := d.oneMail().token()
			if confirmed {
				if _, err := d.Consume(t.Context(), token); err != nil {
					t.Fatal(err)
				}
			}

			second := d.register(users.Registration{Name: "Mallory", Email: strings.ToUpper(email), Password: "let me in please"})
			want := users.User{ID: second.ID, Name: "Mallory", Email: email, Status: users.Pending, CreatedAt: *d.now.Load()}
			if diff := cmp.Diff(want, second); diff != "" {
				t.Error(diff)
			}
			if second.ID == first.ID || len(second.ID) != len(first.ID) {
				t.Errorf("the ids %s and %s tell that there is an account", first.ID, second.ID)
			}
			wantMail := mail{Template: "account-exists", To: email, Data: map[string]string{"name": "Ada"}}
			if diff := cmp.Diff(wantMail, d.oneMail()); diff != "" {
				t.Error(diff)
			}
			if n := d.count("users WHERE email = $1 AND name = 'Ada'", email); n != 1 {
				t.Error("the account was changed")
			}
		}
	})
}

func TestTheOwnerOfAnAddressIsToldOnceAnHour(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.register(ada)
		if _, err := d.Consume(t.Context(), d.oneMail().token()); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			after time.Duration
			mails int
		}{{0, 1}, {0, 0}, {time.Hour - time.Millisecond, 0}, {time.Millisecond, 1}, {time.Minute, 0}, {2 * time.Hour, 1}} {
			d.later(step.after)
			if user := d.register(ada); user.Email != "ada@example.com" || user.Status != users.Pending {
				t.Errorf("the answer differs: %+v", user)
			}
			if n := len(d.mails()); n != step.mails {
				t.Errorf("at %s: %d mails, want %d", d.now.Load(), n, step.mails)
			}
		}
	})
}

func TestARegistrationThatWasNeverConfirmedLapses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.register(users.Registration{Name: "Mallory", Email: ada.Email, Password: "let me in please"})
		stale := d.oneMail().token()

		d.later(24 * time.Hour)
		d.register(ada)
		fresh := d.oneMail()
		if fresh.Template != "welcome" {
			t.Fatalf("the owner got %q, want a new link", fresh.Template)
		}
		if _, err := d.Consume(t.Context(), stale); err == nil {
			t.Error("the lapsed link still works")
		}
		user, err := d.Consume(t.Context(), fresh.token())
		if err != nil || user.Name != "Ada Lovelace" {
			t.Errorf("got %v, %v; want Ada's account", user, err)
		}
		var hash string
		if err := db.Read.QueryRowContext(t.Context(), "SELECT password_hash FROM users").Scan(&hash); err != nil {
			t.Fatal(err)
		}
		if ok, err := users.NewHasher(0).Matches(t.Context(), hash, ada.Password); !ok || err != nil {
			t.Errorf("the password is not the new one: %v", err)
		}
	})
}

func TestManyRegistrationsOfOneAddressGiveOneAccount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		var callers sync.WaitGroup
		for range 12 {
			callers.Go(func() {
				if _, err := d.Register(t.Context(), ada); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		templates := map[string]int{}
		for _, e := range d.mails() {
			templates[e.Name]++
		}
		if diff := cmp.Diff(map[string]int{"welcome": 1, "account-exists": 1}, templates); diff != "" {
			t.Error(diff)
		}
		if n := d.count("users"); n != 1 {
			t.Errorf("%d accounts", n)
		}
	})
}

func TestAnAccountAndItsMailAreWrittenTogetherOrNotAtAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		if _, err := db.Write.ExecContext(t.Context(), "ALTER TABLE outbox RENAME TO away"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Register(t.Context(), ada); err == nil {
			t.Fatal("a registration without a mail went well")
		}
		if n := d.count("users") + d.count("verification_tokens"); n != 0 || d.woke.Load() != 0 {
			t.Errorf("%d rows are left, the relay was woken %d times", n, d.woke.Load())
		}
	})
}

func TestWhyATokenIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.register(ada)
		used := d.oneMail().token()
		if _, err := d.Consume(t.Context(), used); err != nil {
			t.Fatal(err)
		}
		d.register(users.Registration{Name: "Bob", Email: "bob@example.com", Password: ada.Password})
		expired := d.oneMail().token()
		d.later(24 * time.Hour)

		tests := []struct {
			name, token string
			want        error
		}{
			{"empty", "", users.ErrTokenMalformed},
			{"too short", "ABC", users.ErrTokenMalformed},
			{"odd characters", strings.Repeat("é", 13), users.ErrTokenMalformed},
			{"SQL", "' OR 1=1 -- AAAAAAAAAAAAAA", users.ErrTokenMalformed},
			{"unknown", strings.Repeat("A", 26), users.ErrTokenMalformed},
			{"lower case", strings.ToLower(used), users.ErrTokenMalformed},
			{"used", used, users.ErrTokenUsed},
			{"expired", expired, users.ErrTokenExpired},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				if err := d.Peek(t.Context(), test.token); !errors.Is(err, test.want) {
					t.Errorf("peek: %v, want %v", err, test.want)
				}
				if _, err := d.Consume(t.Context(), test.token); !errors.Is(err, test.want) {
					t.Errorf("consume: %v, want %v", err, test.want)
				}
			})
		}
		if n := d.count("users WHERE email = 'bob@example.com' AND status = 'pending'"); n != 1 {
			t.Error("an expired token activated the account")
		}
	})
}

func TestATokenIsUsedOnceHoweverManyTry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.register(ada)
		token := d.oneMail().token()
		var used atomic.Int64
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				switch _, err := d.Consume(t.Context(), token); {
				case err == nil:
					used.Add(1)
				case !errors.Is(err, users.ErrTokenUsed):
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if used.Load() != 1 {
			t.Errorf("the token was used %d times", used.Load())
		}
	})
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*users.Registration)
		fields []string
	}{
		{"nothing", func(r *users.Registration) { *r = users.Registration{} }, []string{"name", "email", "password"}},
		{"name of spaces", func(r *users.Registration) { r.Name = "  " }, []string{"name"}},
		{"name with 201 characters", func(r *users.Registration) { r.Name = strings.Repeat("é", 201) }, []string{"name"}},
		{"name with a line break", func(r *users.Registration) { r.Name = "Ada\r\nBcc: x" }, []string{"name"}},
		{"name with NUL", func(r *users.Registration) { r.Name = "Ada\x00" }, []string{"name"}},
		{"name with a line separator", func(r *users.Registration) { r.Name = "Ada\u2028x" }, []string{"name"}},
		{"name that turns the text", func(r *users.Registration) { r.Name = "Ada\u202egpj" }, []string{"name"}},
		{"name with a link", func(r *users.Registration) { r.Name = "Win at http://example.net" }, []string{"name"}},
		{"name that is not UTF-8", func(r *users.Registration) { r.Name = "Ada\xff" }, []string{"name"}},
		{"address", func(r *users.Registration) { r.Email = "ada" }, []string{"email"}},
		{"short password", func(r *users.Registration) { r.Password = "éééé123" }, []string{"password"}},
		{"long password", func(r *users.Registration) { r.Password = strings.Repeat("xy", 65) }, []string{"password"}},
		{"common password", func(r *users.Registration) { r.Password = "Iloveyou" }, []string{"password"}},
		{"decorated password", func(r *users.Registration) { r.Password = "Password123!" }, []string{"password"}},
		{"one character", func(r *users.Registration) { r.Password = "zzzzzzzzzz" }, []string{"password"}},
		{"own name", func(r *users.Registration) { r.Password = "ada lovelace" }, []string{"password"}},
		{"own address", func(r *users.Registration) { r.Password = "ada@EXAMPLE.com" }, []string{"password"}},
	}
	d := newDesk(t, storetest.SQLite(t))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := ada
			test.change(&r)
			_, err := d.Register(t.Context(), r)
			if !errors.Is(err, jobs.ErrInvalid) {
				t.Fatalf("error %v, want a jobs.ErrInvalid", err)
			}
			for _, field := range test.fields {
				if strings.Count("\n"+err.Error(), "\n"+field+": ") != 1 {
					t.Errorf("%q does not name %s once", err, field)
				}
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines != len(test.fields) {
				t.Errorf("%q has %d lines, want %d", err, lines, len(test.fields))
			}
			if r.Password != "" && strings.Contains(err.Error(), r.Password) {
				t.Errorf("%q repeats the password", err)
			}
		})
	}
	if n := d.count("users") + d.count("outbox"); n != 0 {
		t.Errorf("%d rows were written", n)
	}
}

func TestUnusualRegistrationsThatAreFine(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t))
	for n, r := range []users.Registration{
		{Name: strings.Repeat("é", 200), Password: "hello-29384756"},
		{Name: "Ægir O'Brien-Núñez 李", Password: "密码很长也很安全"},
		{Name: "x", Password: strings.Repeat("ab", 64)},
	} {
		r.Email = fmt.Sprintf("n%d@example.com", n)
		d.register(r)
	}
}

func TestRegisterStopsWaitingWithItsContext(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Register(ctx, ada); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestNothingPersonalIsLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "registration", ada, "user", users.User{ID: "u1", Name: "Ada Lovelace", Email: "ada@example.com"})
	for _, secret := range []string{"Lovelace", "xample.com", ada.Password} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log: %s", secret, &log)
		}
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	if _, err := users.New(users.Options{}); err == nil {
		t.Error("a service without a database was made")
	}
}
