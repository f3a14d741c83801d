package email

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/google/uuid"
	gomail "github.com/wneessen/go-mail"

	"github.com/tandemq/tandem/internal/jobs"
)

// sender is the address in From, taken apart.
type sender struct {
	name    string
	address string
	domain  string // lower case
}

// CheckSender says whether New takes this for Options.From.
func CheckSender(from string) error {
	_, err := parseSender(from)
	return err
}

// parseSender reads MAIL_FROM: "no-reply@example.com", or with a name before
// it, "Tandem <no-reply@example.com>".
func parseSender(from string) (sender, error) {
	parsed, err := mail.ParseAddress(from)
	if err != nil {
		return sender{}, jobs.Invalid("from", "must be an address like Name <name@example.com>")
	}
	address, err := ParseAddress("from", parsed.Address)
	if err != nil {
		return sender{}, err
	}
	if err := checkLine("from", parsed.Name, maxText); err != nil {
		return sender{}, err
	}
	_, domain, _ := strings.Cut(address, "@")
	return sender{name: parsed.Name, address: address, domain: strings.ToLower(domain)}, nil
}

// messageID names the mail of a job, the same at every attempt.
func (s sender) messageID(r SendRequest) string {
	return "<" + idWord(r) + "@" + s.domain + ">"
}

// idWord is the job's id if it was made for this job alone. One that a caller
// chose may be another job's in another queue, or be used again later for
// another mail, which is not to look like a copy of the first.
func idWord(r SendRequest) string {
	if madeByUs(r) {
		return r.JobID
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s:%s %d", r.queue(), r.JobID, r.QueuedAt.UnixMilli()))
	return "job-" + hex.EncodeToString(sum[:16])
}

// madeByUs holds for ids that no caller chose, as far as they tell: UUIDs made of
// the time at which the job was added (7), or of an Idempotency-Key with its
// request (8).
func madeByUs(r SendRequest) bool {
	id, err := uuid.Parse(r.JobID)
	if err != nil || id.String() != r.JobID {
		return false
	}
	if id.Version() == 7 {
		return time.Unix(id.Time().UnixTime()).Sub(r.QueuedAt).Abs() < clockError
	}
	return id.Version() == 8
}

// clockError is how far the clock that made an id may be from that of Redis,
// which says when its job was added.
const clockError = 10 * time.Minute

// compose puts a rendered mail and its headers together.
func (s sender) compose(req SendRequest, l letter, r Rendered, now time.Time) *gomail.Msg {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&mail.Address{Name: s.name, Address: s.address})
	m.ToMailAddress(&mail.Address{Address: l.to})
	setSubject(m, r.Subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(strings.Trim(s.messageID(req), "<>"))
	if l.template.Bulk {
		setBulk(m, l)
	} else {
		m.SetGenHeader("Auto-Submitted", "auto-generated")
		m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	}
	m.SetBodyString(gomail.TypeTextPlain, r.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, r.HTML)
	return m
}

// setSubject encodes a text that only looks encoded: left as it is, it would be
// decoded on arrival, and so could bring in what checkLine keeps out.
func setSubject(m *gomail.Msg, subject string) {
	if strings.Contains(subject, "=?") {
		m.SetGenHeaderPreformatted(gomail.HeaderSubject, encodedWords(subject))
		return
	}
	m.Subject(subject)
}

// encodedWords writes text as the words of RFC 2047, each below the 75 bytes
// that one may have, cut between characters.
func encodedWords(text string) string {
	var words []string
	for runes := []rune(text); len(runes) > 0; {
		n := min(len(runes), 10)
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(string(runes[:n])))+"?=")
		runes = runes[n:]
	}
	return strings.Join(words, "\r\n ")
}

// setBulk marks a mail to many, and tells mail systems how to end it.
func setBulk(m *gomail.Msg, l letter) {
	m.SetBulk()
	if link := l.unsubscribeURL(); link != "" {
		m.SetListUnsubscribe(link)
	}
	if l.oneClick() {
		m.SetListUnsubscribePost()
	}
}
