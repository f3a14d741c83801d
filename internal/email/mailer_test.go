package email_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/mailcatch"
)

// office is everything that sending needs.
type office struct {
	catcher *mailcatch.Catcher
	ledger  *email.Ledger
	mailer  *email.Mailer
}

func newOffice(t *testing.T, o mailcatch.Options) office {
	t.Helper()
	c := catch(t, o)
	ledger := email.NewLedger(openDB(t))
	return office{catcher: c, ledger: ledger, mailer: newMailer(t, smtp(t, c.Addr(), "", nil), ledger)}
}

func (o office) record(t *testing.T, id string) email.Record {
	t.Helper()
	r, found, err := o.ledger.Find(t.Context(), id)
	if err != nil || !found {
		t.Fatalf("record of %s: found %v, error %v", id, found, err)
	}
	return r
}

func TestSendDeliversAndRecords(t *testing.T) {
	o := newOffice(t, mailcatch.Options{})
	got, err := o.mailer.Send(t.Context(), request(jobID))
	if err != nil {
		t.Fatal(err)
	}
	want := email.Result{
		MessageID: "<" + jobID + "@northwind.example>", Recipient: "a***@example.com",
		Template: "welcome", Subject: "Welcome to Northwind, Ada", SentAt: noon,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	wantRecord := email.Record{
		ID: jobID, TenantID: "acme", Template: "welcome",
		AddressHash: email.HashAddress(hashKey, "ADA@example.com"), AddressMasked: "a***@example.com",
		Subject: "Welcome to Northwind, Ada", Status: email.Sent, Attempts: 1, CreatedAt: noon, SentAt: noon,
	}
	if diff := cmp.Diff(wantRecord, o.record(t, jobID)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	mails := o.catcher.Mails()
	if len(mails) != 1 || mails[0].From != "no-reply@northwind.example" || !cmp.Equal(mails[0].To, []string{"ada@example.com"}) {
		t.Errorf("caught %+v", mails)
	}
}

func TestHeadersSayWhatKindOfMailItIs(t *testing.T) {
	news := email.Payload{Template: "newsletter", To: "ada@example.com", Data: map[string]any{
		"title": "News", "intro": "Some.", "unsubscribeUrl": "https://example.com/bye?u=1", "unsubscribeOneClick": true,
	}}
	cases := map[string]struct {
		payload email.Payload
		want    map[string]string
	}{
		"transactional": {greeting("ada@example.com"), map[string]string{
			"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Precedence": "", "List-Unsubscribe": "",
		}},
		"bulk": {news, map[string]string{
			"Auto-Submitted": "", "Precedence": "bulk",
			"List-Unsubscribe": "<https://example.com/bye?u=1>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			header := sendAndCatch(t, c.payload).Header
			c.want["Date"] = noon.Format(time.RFC1123Z)
			c.want["Message-Id"] = "<" + jobID + "@northwind.example>"
			c.want["From"] = `"Northwind" <no-reply@northwind.example>`
			c.want["To"] = "<ada@example.com>"
			c.want["User-Agent"] = ""
			for key, want := range c.want {
				if got := header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
		})
	}
}

func sendAndCatch(t *testing.T, p email.Payload) *mailcatch.Mail {
	t.Helper()
	o := newOffice(t, mailcatch.Options{})
	req := request(jobID)
	req.Payload = p
	if _, err := o.mailer.Send(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	mails, err := o.catcher.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if mails[0].Problem != "" {
		t.Fatalf("the mail cannot be read: %s", mails[0].Problem)
	}
	return mails[0]
}

func TestSubjectAndBodyArriveAsTheyWereWritten(t *testing.T) {
	subjects := map[string]string{
		"ascii":    "Hello",
		"umlauts":  "Grüße aus Köln",
		"emoji":    "🎉 It works 🎉",
		"japanese": strings.Repeat("重要なお知らせ", 20),
		"no space": strings.Repeat("x", 200),
		"encoded":  "=?utf-8?q?not_a_word=0D=0ABcc:_eve@example.com?= 🎉 and more of it",
		"spaces":   "two  spaces",
	}
	for name, subject := range subjects {
		t.Run(name, func(t *testing.T) {
			p := greeting("ada@example.com")
			p.Subject, p.Data["name"] = subject, "Ádá 🎉 . =3D"
			want, err := newRenderer(t, email.Brand{Name: "Northwind"}).Render(p)
			if err != nil {
				t.Fatal(err)
			}
			got := sendAndCatch(t, p)
			diff := cmp.Diff(want, email.Rendered{Subject: got.Subject, Text: unix(got.Text), HTML: unix(got.HTML)})
			if diff != "" {
				t.Errorf("(-sent +received):\n%s", diff)
			}
			for line := range strings.SplitSeq(string(got.Raw), "\r\n") {
				if len(line) > 998 {
					t.Errorf("a line of %d bytes: %.60s", len(line), line)
				}
			}
		})
	}
}

func unix(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func TestInternationalDomainTravelsInASCII(t *testing.T) {
	got := sendAndCatch(t, greeting("ada@bücher.example"))
	if want := []string{"ada@xn--bcher-kva.example"}; !cmp.Equal(got.To, want) {
		t.Errorf("went to %v, want %v", got.To, want)
	}
}

func TestMessageIDIsTheJobsOwnAndConstant(t *testing.T) {
	const dayLater = 24 * time.Hour
	same := func(a, b email.SendRequest) bool { return messageID(t, a) == messageID(t, b) }
	for _, id := range []string{"order-17", "a b", "weekly:x:1", "o'neil", "<evil>", "ümlaut", strings.Repeat("x", 65)} {
		first := request(id)
		retry, reused, elsewhere := first, first, first
		retry.Attempt = 2
		reused.QueuedAt = noon.Add(dayLater)
		elsewhere.Queue = "email-report"
		if word := messageID(t, first); !strings.HasPrefix(word, "<job-") {
			t.Errorf("%q became %q", id, word)
		}
		if !same(first, retry) || same(first, reused) || same(first, elsewhere) {
			t.Errorf("%q: at the next attempt the same %t, used again later the same %t, in another queue the same %t",
				id, same(first, retry), same(first, reused), same(first, elsewhere))
		}
	}
	const derived = "0f3b4c5d-6e7f-8a9b-8c0d-1e2f3a4b5c6d" // of an Idempotency-Key
	for _, id := range []string{jobID, derived} {
		if word := messageID(t, request(id)); word != "<"+id+"@northwind.example>" {
			t.Errorf("our own id %s became %s", id, word)
		}
	}
	reused := request(jobID) // it was made at another time: somebody chose it
	reused.QueuedAt = noon.Add(dayLater)
	if word := messageID(t, reused); !strings.HasPrefix(word, "<job-") {
		t.Errorf("an id that looks like ours became %s", word)
	}
}

// messageID is what a mail went out under, in a world of its own.
func messageID(t *testing.T, req email.SendRequest) string {
	t.Helper()
	o := newOffice(t, mailcatch.Options{})
	got, err := o.mailer.Send(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mail.ParseAddress(got.MessageID); err != nil {
		t.Errorf("%q: %v", got.MessageID, err)
	}
	if header := o.catcher.Mails()[0].Header.Get("Message-Id"); header != got.MessageID {
		t.Errorf("the mail has %s, the result %s", header, got.MessageID)
	}
	return got.MessageID
}

func TestQueuesThatShareAJobIDKeepTheirRecordsApart(t *testing.T) {
	o := newOffice(t, mailcatch.Options{})
	elsewhere := request("order-17")
	elsewhere.Queue = "email-report"
	for range 2 { // the second time they were sent before
		for _, req := range []email.SendRequest{request("order-17"), elsewhere} {
			if _, err := o.mailer.Send(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(o.catcher.Mails()); n != 2 {
		t.Errorf("%d mails went out, want one of each queue", n)
	}
	for _, id := range []string{"order-17", "email-report:order-17"} {
		if got := o.record(t, id); got.Status != email.Sent {
			t.Errorf("recorded %+v", got)
		}
	}
}

func TestJobThatSentItsMailDoesNotSendItAgain(t *testing.T) {
	o := newOffice(t, mailcatch.Options{})
	first, err := o.mailer.Send(t.Context(), request("job-1"))
	if err != nil {
		t.Fatal(err)
	}
	again := request("job-1")
	again.Attempt = 2
	second, err := o.mailer.Send(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second answer differs (-first +second):\n%s", diff)
	}
	if n := len(o.catcher.Mails()); n != 1 {
		t.Errorf("%d mails went out, want 1", n)
	}
}

func TestOnlyTheSameMailCountsAsSentBefore(t *testing.T) {
	changes := map[string]func(*email.SendRequest){
		"another tenant under the same id":    func(r *email.SendRequest) { r.TenantID = "other" },
		"another recipient under the same id": func(r *email.SendRequest) { r.Payload.To = "bob@example.com" },
		"another template under the same id":  func(r *email.SendRequest) { r.Payload.Template = "account-exists" },
		"the id was used again a day later":   func(r *email.SendRequest) { r.QueuedAt = noon.Add(24 * time.Hour) },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, mailcatch.Options{})
			later := request("job-1")
			change(&later)
			for _, req := range []email.SendRequest{request("job-1"), later} {
				if _, err := o.mailer.Send(t.Context(), req); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(o.catcher.Mails()); n != 2 {
				t.Errorf("%d mails went out, want 2", n)
			}
		})
	}
}

func TestRefusalsAreJudged(t *testing.T) {
	const impatient = "timeout=50ms&final=50ms"
	cases := map[string]struct {
		script     func(int, string) string
		permanent  bool
		code       int
		text       string
		parameters string
	}{
		"mailbox busy":             {always("RCPT", "451 4.2.0 try later"), false, 451, "recipient: 451 4.2.0 try later", ""},
		"no such user":             {always("RCPT", "550 5.1.1 <ada@example.com> unknown"), true, 550, "recipient: 550 5.1.1 <[address]> unknown", ""},
		"sender refused":           {always("MAIL", "553 5.7.1 not you"), true, 553, "sender: 553 5.7.1 not you", ""},
		"sign in first":            {always("MAIL", "530 5.7.0 authentication required"), false, 530, "sender: 530 5.7.0 authentication required", ""},
		"going away":               {always("RCPT", "421 4.3.2 shutting down"), false, 421, "recipient: 421 4.3.2 shutting down", ""},
		"content is spam":          {always("content", "554 5.7.1 spam"), true, 554, "content: 554 5.7.1 spam", ""},
		"content later":            {always("content", "452 4.3.1 disk full"), false, 452, "content: 452 4.3.1 disk full", ""},
		"no service":               {always("greeting", "554 no service here"), false, 554, "connect to smtp server: 554 no service here", ""},
		"drops at the greeting":    {always("greeting", drop), false, 0, "connect to smtp server: EOF", ""},
		"drops at the recipient":   {always("RCPT", drop), false, 0, "recipient: EOF", ""},
		"drops after the content":  {always("content", drop), false, 0, "content: EOF", ""},
		"answers with noise":       {always("MAIL", "what?"), false, 0, "", ""},
		"hangs at the greeting":    {always("greeting", hang), false, 0, "", impatient},
		"hangs at the recipient":   {always("RCPT", hang), false, 0, "", impatient},
		"hangs after the content":  {always("content", hang), false, 0, "", impatient},
		"repeats a foreign header": {always("RCPT", "550 5.1.1 ADA@EXAMPLE.COM and bob@example.org"), true, 550, "recipient: 550 5.1.1 [address] and [address]", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := script(t, c.script)
			ledger := email.NewLedger(openDB(t))
			m := newMailer(t, smtp(t, server.addr(), c.parameters, nil), ledger)
			_, err := m.Send(t.Context(), request("job-1"))
			if err == nil {
				t.Fatal("no error")
			}
			if jobs.IsUnrecoverable(err) != c.permanent || email.ReplyCode(err) != c.code {
				t.Errorf("permanent %v, code %d: %v", jobs.IsUnrecoverable(err), email.ReplyCode(err), err)
			}
			if c.text != "" && err.Error() != c.text {
				t.Errorf("error is %q, want %q", err, c.text)
			}
			record, _, findErr := ledger.Find(t.Context(), "job-1")
			if findErr != nil || record.Status != email.Failed || record.Error != err.Error() {
				t.Errorf("recorded %+v, %v", record, findErr)
			}
			if strings.Contains(strings.ToLower(fmt.Sprintf("%+v", record)), "ada@") {
				t.Errorf("the record has the address: %+v", record)
			}
		})
	}
}

func TestServerThatCannotBeReachedIsTriedAgain(t *testing.T) {
	server := script(t, always("", ""))
	addr := server.addr()
	server.stop()
	m := newMailer(t, smtp(t, addr, "", nil), email.NewLedger(openDB(t)))
	_, err := m.Send(t.Context(), request("job-1"))
	if err == nil || jobs.IsUnrecoverable(err) {
		t.Errorf("got %v, want an error that is tried again", err)
	}
}

func TestInvalidPayloadIsNotTriedAgain(t *testing.T) {
	o := newOffice(t, mailcatch.Options{})
	req := request("job-1")
	req.Payload.Data = nil
	_, err := o.mailer.Send(t.Context(), req)
	if !jobs.IsUnrecoverable(err) || !errors.Is(err, jobs.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	if got := o.record(t, "job-1"); got.Status != email.Failed || got.Error != err.Error() {
		t.Errorf("recorded %+v", got)
	}
}

func TestUnknownTemplateIsRecordedWithoutItsName(t *testing.T) {
	o := newOffice(t, mailcatch.Options{})
	req := request("job-1")
	req.Payload.Template, req.Payload.To = "<script>", "not an address"
	if _, err := o.mailer.Send(t.Context(), req); !jobs.IsUnrecoverable(err) {
		t.Fatalf("got %v", err)
	}
	if got := o.record(t, "job-1"); got.Template != "unknown" || got.AddressMasked != "***" {
		t.Errorf("recorded %+v", got)
	}
}

func TestJobWithoutIDIsRefused(t *testing.T) {
	o := newOffice(t, mailcatch.Options{})
	if _, err := o.mailer.Send(t.Context(), request("")); !jobs.IsUnrecoverable(err) {
		t.Errorf("got %v", err)
	}
}

func TestLaterAttemptTakesTheRecordOver(t *testing.T) {
	var open atomic.Bool
	o := newOffice(t, mailcatch.Options{Refuse: func(string) *mailcatch.Refusal {
		if !open.Load() {
			return &mailcatch.Refusal{Code: 451, Text: "later"}
		}
		return nil
	}})
	if _, err := o.mailer.Send(t.Context(), request("job-1")); err == nil {
		t.Fatal("the first attempt was taken")
	}
	open.Store(true)
	second := request("job-1")
	second.Attempt = 2
	if _, err := o.mailer.Send(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	got := o.record(t, "job-1")
	if got.Status != email.Sent || got.Error != "" || got.Attempts != 2 || got.SentAt.IsZero() {
		t.Errorf("recorded %+v", got)
	}
}

func TestCancelledAttemptEndsAtOnceAndIsNoFailure(t *testing.T) {
	for _, verb := range []string{"greeting", "RCPT", "content"} {
		t.Run(verb, func(t *testing.T) {
			server := script(t, always(verb, hang))
			ledger := email.NewLedger(openDB(t))
			m := newMailer(t, smtp(t, server.addr(), "timeout=1h", nil), ledger)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := m.Send(ctx, request("job-1"))
				ended <- err
			}()
			server.until(t, verb)
			cancel(jobs.ErrShutdown)
			if err := <-ended; !errors.Is(err, jobs.ErrShutdown) || jobs.IsUnrecoverable(err) {
				t.Errorf("got %v", err)
			}
			if _, found, err := ledger.Find(t.Context(), "job-1"); found || err != nil {
				t.Errorf("recorded: %v, %v", found, err)
			}
		})
	}
}

func TestAttemptThatTookTooLongIsAFailure(t *testing.T) {
	server := script(t, always("RCPT", hang))
	ledger := email.NewLedger(openDB(t))
	m := newMailer(t, smtp(t, server.addr(), "timeout=1h", nil), ledger)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, jobs.ErrTimeout)
	defer cancel()
	if _, err := m.Send(ctx, request("job-1")); !errors.Is(err, jobs.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	if r, found, err := ledger.Find(t.Context(), "job-1"); !found || r.Status != email.Failed || err != nil {
		t.Errorf("recorded %+v, %v", r, err)
	}
}

func TestDatabaseThatIsDownStopsTheSending(t *testing.T) {
	c := catch(t, mailcatch.Options{})
	db := openDB(t)
	m := newMailer(t, smtp(t, c.Addr(), "", nil), email.NewLedger(db))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := m.Send(t.Context(), request("job-1"))
	if err == nil || jobs.IsUnrecoverable(err) || len(c.Mails()) != 0 {
		t.Errorf("got %v with %d mails out; nobody could tell whether they went out before", err, len(c.Mails()))
	}
}

// forgetful is a record that cannot be written.
type forgetful struct{}

func (forgetful) Find(context.Context, string) (email.Record, bool, error) {
	return email.Record{}, false, nil
}

func (forgetful) Record(context.Context, email.Record) error { return errors.New("disk full") }

func TestMailThatCannotBeRecordedStaysSentAndIsLogged(t *testing.T) {
	for name, refusal := range map[string]*mailcatch.Refusal{"sent": nil, "refused": {Code: 550, Text: "no <ada@example.com>"}} {
		t.Run(name, func(t *testing.T) {
			c := catch(t, mailcatch.Options{Refuse: func(string) *mailcatch.Refusal { return refusal }})
			var log strings.Builder
			m, err := email.New(smtp(t, c.Addr(), "", nil), forgetful{}, email.Options{
				From: "no-reply@example.com", HashKey: hashKey, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Send(t.Context(), request("job-1")); (err != nil) != (refusal != nil) {
				t.Errorf("got %v", err)
			}
			if !strings.Contains(log.String(), "disk full") || !strings.Contains(log.String(), "job_id=job-1") || strings.Contains(log.String(), "ada@") {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}

func TestFiveWorkersSendEachMailOnce(t *testing.T) {
	o := newOffice(t, mailcatch.Options{Keep: 1000})
	const workers, each = 5, 20
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := range each {
				req := request(fmt.Sprintf("job-%d-%d", w, i))
				if _, err := o.mailer.Send(context.Background(), req); err != nil {
					t.Errorf("%s: %v", req.JobID, err)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]int{}
	for _, m := range o.catcher.Mails() {
		seen[m.Header.Get("Message-Id")]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s went out %d times", id, n)
		}
	}
	if len(seen) != workers*each {
		t.Errorf("%d mails went out, want %d", len(seen), workers*each)
	}
}

func TestNewSaysWhatItNeeds(t *testing.T) {
	cases := map[string]email.Options{
		"no sender":    {HashKey: hashKey},
		"bad sender":   {HashKey: hashKey, From: "nobody"},
		"no key":       {From: "a@example.com"},
		"header break": {HashKey: hashKey, From: "a@example.com", Brand: email.Brand{Name: "a\r\nBcc: b@example.com"}},
		"bad link":     {HashKey: hashKey, From: "a@example.com", Brand: email.Brand{URL: "javascript:alert(1)"}},
	}
	for name, o := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := email.New(nil, nil, o); err == nil {
				t.Error("no error")
			}
		})
	}
}
