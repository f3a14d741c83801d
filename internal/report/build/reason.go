package build

import (
	"regexp"
	"strings"

	"github.com/tandemq/tandem/internal/report/document"
)

// maxReason is how many characters of a reason are shown.
const maxReason = 120

var (
	mailAddress = regexp.MustCompile(`[^\s<>"'(),:;]+@[^\s<>"'(),:;]+`)
	webAddress  = regexp.MustCompile(`\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s"'<>]+`)
	longID      = regexp.MustCompile(`\b[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,})*\b`)
	bigNumber   = regexp.MustCompile(`\d{4,}`)
	hostPort    = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`)
)

// reasonOf is the kind of failure that an error's text tells of: its first
// line, without what differs from one failure to the next or belongs to nobody
// else. Addresses, ids and long numbers become a word for what they were, so
// failures of one kind are counted together, and a report holds no person's
// address. Short numbers stay: "550" is what one wants to know.
func reasonOf(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	first = document.Clean(first)
	first = webAddress.ReplaceAllString(first, "(url)")
	first = mailAddress.ReplaceAllString(first, "(address)")
	first = hostPort.ReplaceAllString(first, "(host)")
	first = longID.ReplaceAllString(first, "(id)")
	first = bigNumber.ReplaceAllString(first, "(number)")
	if first = strings.TrimSpace(first); first == "" {
		return "No reason was given"
	}
	if runes := []rune(first); len(runes) > maxReason {
		return strings.TrimSpace(string(runes[:maxReason-1])) + "…"
	}
	return first
}
