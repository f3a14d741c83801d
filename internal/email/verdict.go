package email

import (
	"errors"
	"net/textproto"
	"regexp"
	"slices"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// verdict turns a failed delivery into what the queue is to do: an
// Unrecoverable error when this mail will never be taken, a plain one when it
// is worth another try. Neither carries a mail address.
func verdict(err error) error {
	safe := &failure{text: scrub(err.Error()), cause: err}
	if permanent(err) {
		return jobs.Unrecoverable(safe)
	}
	return safe
}

// permanent holds for a reply of 5xx to this mail. A server that refuses us, by
// its greeting or because it wants another password, says nothing of the mail:
// mails wait while somebody repairs that.
func permanent(err error) bool {
	failed, ok := errors.AsType[*deliveryError](err)
	if !ok || failed.stage == stageConnect {
		return false
	}
	reply := failed.reply()
	return reply != nil && reply.Code >= 500 && !slices.Contains(signInCodes(), reply.Code)
}

// signInCodes are the 5xx replies that are about who we are (RFC 4954).
func signInCodes() []int { return []int{530, 534, 535, 538} }

// failure is an error that can be shown: its text has no mail address. The
// cause stays reachable for errors.Is, so that a cancelled context is seen.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }

// Is looks into the cause, which is not unwrapped: nobody is to print it.
func (f *failure) Is(target error) bool { return errors.Is(f.cause, target) }

// maxReason bounds an error's text, in bytes: servers can be wordy.
const maxReason = 300

var addressLike = regexp.MustCompile(`[^\s<>()"',;:]+@[^\s<>()"',;:]+`)

// scrub takes out whatever looks like a mail address, as servers like to repeat
// it, and makes one line of the rest.
func scrub(text string) string {
	text = addressLike.ReplaceAllString(text, "[address]")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || breaksLine(r) }), " ")
	text = strings.ToValidUTF8(text, "?")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// ReplyCode is the SMTP reply that refused a mail, for metrics: 0 when the
// server did not answer.
func ReplyCode(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		err = f.cause
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return reply.Code
	}
	return 0
}
