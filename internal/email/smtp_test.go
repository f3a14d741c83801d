package email_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/mailcatch"
)

const envelope = "Subject: x\r\n\r\nbody\r\n"

func deliver(t *testing.T, s *email.SMTP) error {
	t.Helper()
	return deliverWith(t.Context(), s)
}

func deliverWith(ctx context.Context, s *email.SMTP) error {
	return s.Deliver(ctx, "from@example.com", "to@example.com", strings.NewReader(envelope))
}

func mustDeliver(t *testing.T, s *email.SMTP) {
	t.Helper()
	if err := deliver(t, s); err != nil {
		t.Fatal(err)
	}
}

func TestTLSModes(t *testing.T) {
	server, trusting := certify(t)
	stranger := &tls.Config{}
	cases := map[string]struct {
		catcher   mailcatch.Options
		scheme    string
		mode      string
		client    *tls.Config
		fails     bool
		encrypted bool
	}{
		"mandatory":                           {mailcatch.Options{TLS: server}, "smtp", "tls=mandatory", trusting, false, true},
		"mandatory, not offered":              {mailcatch.Options{}, "smtp", "tls=mandatory", trusting, true, false},
		"mandatory, unknown authority":        {mailcatch.Options{TLS: server}, "smtp", "tls=mandatory", stranger, true, false},
		"when offered, and it is":             {mailcatch.Options{TLS: server}, "smtp", "tls=starttls", trusting, false, true},
		"when offered, and it is not":         {mailcatch.Options{}, "smtp", "tls=starttls", trusting, false, false},
		"when offered, but unknown authority": {mailcatch.Options{TLS: server}, "smtp", "tls=starttls", stranger, true, false},
		"none although offered":               {mailcatch.Options{TLS: server}, "smtp", "tls=none", nil, false, false},
		"implicit":                            {mailcatch.Options{TLS: server, ImplicitTLS: true}, "smtps", "", trusting, false, true},
		"implicit, unknown authority":         {mailcatch.Options{TLS: server, ImplicitTLS: true}, "smtps", "", stranger, true, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			catcher := catch(t, c.catcher)
			s := smtpURL(t, c.scheme+"://"+catcher.Addr()+"?"+c.mode, c.client)
			err := deliver(t, s)
			if (err != nil) != c.fails {
				t.Fatalf("error %v, want one: %v", err, c.fails)
			}
			if mails := catcher.Mails(); !c.fails && mails[0].TLS != c.encrypted {
				t.Errorf("encrypted: %v", mails[0].TLS)
			} else if c.fails && len(mails) > 0 {
				t.Error("a mail went out")
			}
		})
	}
}

func TestTroubleWithTLSIsTriedAgain(t *testing.T) {
	server, _ := certify(t)
	c := catch(t, mailcatch.Options{TLS: server})
	m := newMailer(t, smtp(t, c.Addr(), "tls=mandatory", nil), email.NewLedger(openDB(t)))
	if _, err := m.Send(t.Context(), request("job-1")); err == nil || jobs.IsUnrecoverable(err) {
		t.Errorf("got %v", err)
	}
}

func TestSigningIn(t *testing.T) {
	server, trusting := certify(t)
	cases := map[string]struct {
		scheme, user string
		o            mailcatch.Options
		fails        bool
	}{
		"over TLS":               {"smtps", "ada:s%2Fe%40cret@", mailcatch.Options{TLS: server, ImplicitTLS: true}, false},
		"after STARTTLS":         {"smtp", "ada:s%2Fe%40cret@", mailcatch.Options{TLS: server}, false},
		"on loopback":            {"smtp", "ada:s%2Fe%40cret@", mailcatch.Options{}, false},
		"with a wrong password":  {"smtp", "ada:wrong@", mailcatch.Options{}, true},
		"forgotten":              {"smtp", "", mailcatch.Options{}, true},
		"where nobody is signed": {"smtp", "ada:x@", mailcatch.Options{Refuse: nobody}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if c.o.Refuse == nil {
				c.o.Username, c.o.Password = "ada", "s/e@cret"
			}
			catcher := catch(t, c.o)
			s := smtpURL(t, c.scheme+"://"+c.user+catcher.Addr(), trusting)
			_, err := newMailer(t, s, email.NewLedger(openDB(t))).Send(t.Context(), request("job-1"))
			if (err != nil) != c.fails || jobs.IsUnrecoverable(err) {
				t.Fatalf("got %v, want an error: %v, never a final one", err, c.fails)
			}
			if !c.fails && catcher.Mails()[0].User != "ada" {
				t.Error("the server does not know who it was")
			}
			if err != nil && strings.Contains(err.Error(), "wrong") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

func nobody(string) *mailcatch.Refusal { return nil }

// accept is a script without surprises.
func accept(int, string) string { return "" }

func TestConnectionIsUsedAgain(t *testing.T) {
	server := script(t, accept)
	s := smtp(t, server.addr(), "", nil)
	for range 3 {
		mustDeliver(t, s)
	}
	if n := server.count("greeting"); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestConnectionEndsAfterItsShareOfMails(t *testing.T) {
	server := script(t, accept)
	s := smtp(t, server.addr(), "messages=2", nil)
	for range 5 {
		mustDeliver(t, s)
	}
	if n := server.count("greeting"); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	if n := server.count("QUIT"); n != 2 {
		t.Errorf("%d were ended properly, want 2", n)
	}
}

func TestIdleConnectionIsEnded(t *testing.T) {
	server := script(t, accept)
	s := smtp(t, server.addr(), "idle=1ms", nil)
	mustDeliver(t, s)
	server.until(t, "QUIT")
}

func TestNoIdleConnectionIsKeptWhenIdleIsZero(t *testing.T) {
	server := script(t, accept)
	s := smtp(t, server.addr(), "idle=0s", nil)
	mustDeliver(t, s)
	if n := server.count("QUIT"); n != 1 {
		t.Errorf("%d connections ended, want 1", n)
	}
}

func TestRefusedMailDoesNotCostTheConnection(t *testing.T) {
	refused := false
	server := script(t, func(_ int, verb string) string {
		if verb == "RCPT" && !refused {
			refused = true
			return "550 no"
		}
		return ""
	})
	s := smtp(t, server.addr(), "", nil)
	if err := deliver(t, s); err == nil {
		t.Fatal("the first mail was taken")
	}
	mustDeliver(t, s)
	if n, resets := server.count("greeting"), server.count("RSET"); n != 1 || resets != 1 {
		t.Errorf("%d connections and %d resets, want one of each", n, resets)
	}
}

func TestKeptConnectionThatDiedIsReplaced(t *testing.T) {
	for name, end := range map[string]string{"silently": drop, "with 421": "421 4.4.2 idle for too long"} {
		t.Run(name, func(t *testing.T) {
			mails := 0
			server := script(t, func(connection int, verb string) string {
				if verb == "MAIL" {
					if mails++; connection == 1 && mails == 2 {
						return end
					}
				}
				return ""
			})
			s := smtp(t, server.addr(), "", nil)
			mustDeliver(t, s)
			mustDeliver(t, s)
			if n := server.count("greeting"); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
		})
	}
}

func TestMailThatWasHandedOverIsNotOfferedAgainOnItsOwn(t *testing.T) {
	mails := 0
	server := script(t, func(_ int, verb string) string {
		if verb == "content" {
			if mails++; mails == 2 {
				return drop
			}
		}
		return ""
	})
	s := smtp(t, server.addr(), "", nil)
	mustDeliver(t, s)
	if err := deliver(t, s); err == nil {
		t.Fatal("no error, although nobody knows whether the mail was taken")
	}
	if n := server.count("content"); n != 2 {
		t.Errorf("the server got %d mails, want 2", n)
	}
}

func TestServerMayThinkLongAboutAMailItHasWhole(t *testing.T) {
	t.Parallel()
	const patience = time.Second // for every other answer
	server := script(t, func(_ int, verb string) string {
		if verb == "content" {
			<-time.After(patience * 5 / 4)
		}
		return ""
	})
	s := smtp(t, server.addr(), "timeout="+patience.String(), nil)
	mustDeliver(t, s)
	mustDeliver(t, s)
	if n, connections := server.count("content"), server.count("greeting"); n != 2 || connections != 1 {
		t.Errorf("%d mails over %d connections, want 2 over 1", n, connections)
	}
}

func TestHalfAMailIsNotHandedOver(t *testing.T) {
	server := script(t, accept)
	s := smtp(t, server.addr(), "", nil)
	broken := errors.New("broken")
	err := s.Deliver(t.Context(), "a@example.com", "b@example.com", half{broken})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if n := server.count("content"); n != 0 {
		t.Error("the server took half a mail for a whole one")
	}
}

// half writes the beginning of a mail and fails.
type half struct{ err error }

func (h half) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "Subject: x\r\n")
	return int64(n), errors.Join(err, h.err)
}

func TestDeliveryWaitsForItsTurn(t *testing.T) {
	server := script(t, always("RCPT", hang))
	s := smtp(t, server.addr(), "connections=1&timeout=1h", nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- deliverWith(ctx, s) }()
	server.until(t, "RCPT")

	late, giveUp := context.WithCancelCause(t.Context())
	giveUp(jobs.ErrTimeout)
	if err := deliverWith(late, s); !errors.Is(err, jobs.ErrTimeout) {
		t.Errorf("the second delivery: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the first delivery: %v", err)
	}
	if n := server.count("greeting"); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestCloseTakesLeaveAndRefusesMore(t *testing.T) {
	server := script(t, accept)
	s := smtp(t, server.addr(), "", nil)
	mustDeliver(t, s)
	s.Close()
	if n := server.count("QUIT"); n != 1 {
		t.Errorf("%d connections ended, want 1", n)
	}
	if err := deliver(t, s); err == nil {
		t.Error("a closed transport took a mail")
	}
	s.Close()
}
