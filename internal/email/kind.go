package email

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandemq/tandem/internal/jobs"
)

// Kind is what a data field holds.
type Kind string

// The kinds of data fields, as JSON and as a template sees them.
const (
	Text   Kind = "text"   // one line → string
	Prose  Kind = "prose"  // lines; an empty one parts paragraphs → [][]string
	Link   Kind = "link"   // http or https → string
	Number Kind = "number" // whole, not negative → int64
	Time   Kind = "time"   // RFC 3339 → time.Time in UTC
	Flag   Kind = "flag"   // true or false → bool
	List   Kind = "list"   // objects with fields of their own → []map[string]any
)

// Limits: characters for texts, bytes for links, entries for lists.
const (
	maxText    = 500
	maxProse   = 20_000
	maxLink    = 2000
	maxList    = 50
	maxSubject = 200
	// maxHeaderLink keeps the line of a header that holds a link below the 998
	// bytes of RFC 5322.
	maxHeaderLink = 900
	// maxNumber is what JSON numbers hold exactly.
	maxNumber = 1 << 53
)

// read checks one value and returns it as the template sees it. The error names
// the field by its path and does not repeat the value.
func (f Field) read(path string, value any) (any, error) {
	switch f.Kind {
	case Text:
		return readText(path, value)
	case Prose:
		return readProse(path, value)
	case Link:
		return readLink(path, value, f.maxLink())
	case Number:
		return readNumber(path, value)
	case Time:
		return readTime(path, value)
	case Flag:
		return readFlag(path, value)
	case List:
		return f.readList(path, value)
	default:
		return nil, fmt.Errorf("field %s has the unknown kind %q", path, f.Kind)
	}
}

func (f Field) maxLink() int {
	if f.InHeader {
		return maxHeaderLink
	}
	return maxLink
}

func readText(path string, value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return "", jobs.Invalid(path, "must be a text")
	}
	if err := checkLine(path, text, maxText); err != nil {
		return "", err
	}
	return strings.TrimSpace(text), nil
}

// checkLine holds for whatever can reach a header: one line, no control
// character, nothing that is not a character.
func checkLine(path, text string, limit int) error {
	if !utf8.ValidString(text) {
		return jobs.Invalid(path, "must be valid UTF-8")
	}
	if utf8.RuneCountInString(text) > limit {
		return jobs.Invalid(path, "must be at most %d characters", limit)
	}
	if i := strings.IndexFunc(text, breaksLine); i >= 0 {
		return jobs.Invalid(path, "has a line break or control character at byte %d", i)
	}
	return nil
}

// breaksLine finds the C0 and C1 controls and the two separators of Unicode.
func breaksLine(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// readProse parts paragraphs at empty lines and keeps the other line breaks.
func readProse(path string, value any) ([][]string, error) {
	text, ok := value.(string)
	if !ok {
		return nil, jobs.Invalid(path, "must be a text")
	}
	if !utf8.ValidString(text) {
		return nil, jobs.Invalid(path, "must be valid UTF-8")
	}
	if utf8.RuneCountInString(text) > maxProse {
		return nil, jobs.Invalid(path, "must be at most %d characters", maxProse)
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if i := strings.IndexFunc(text, breaksProse); i >= 0 {
		return nil, jobs.Invalid(path, "has a control character at byte %d", i)
	}
	return paragraphs(text), nil
}

func breaksProse(r rune) bool { return breaksLine(r) && r != '\n' && r != '\t' }

func paragraphs(text string) [][]string {
	var all [][]string
	var lines []string
	for line := range strings.SplitSeq(text+"\n", "\n") {
		if line = strings.TrimRight(line, " \t"); line != "" {
			lines = append(lines, line)
		} else if lines != nil {
			all, lines = append(all, lines), nil
		}
	}
	return all
}

// readLink wants an address as a browser would send it: anything that is not
// ASCII is to be percent-encoded, an international host in its ASCII form.
func readLink(path string, value any, limit int) (string, error) {
	link, ok := value.(string)
	if !ok {
		return "", jobs.Invalid(path, "must be a text")
	}
	if len(link) > limit {
		return "", jobs.Invalid(path, "must be at most %d bytes", limit)
	}
	if link == "" {
		return "", nil
	}
	if strings.ContainsFunc(link, notInLink) {
		return "", jobs.Invalid(path, "has a character that a link has to percent-encode")
	}
	u, err := url.Parse(link)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", jobs.Invalid(path, "must be a link that starts with https:// or http://")
	}
	if u.User != nil {
		return "", jobs.Invalid(path, "must not carry a user name or password")
	}
	return u.String(), nil
}

func notInLink(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r)
}

// readNumber takes what JSON decodes to, and what Go code says.
func readNumber(path string, value any) (int64, error) {
	n, ok := whole(value)
	if !ok || n < 0 || n > maxNumber {
		return 0, jobs.Invalid(path, "must be a whole number from 0 to 2^53")
	}
	return n, nil
}

func whole(value any) (int64, bool) {
	switch v := value.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		if v != math.Trunc(v) || math.Abs(v) > maxNumber {
			return 0, false
		}
		return int64(v), true
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return n, err == nil
	default:
		return 0, false
	}
}

func readTime(path string, value any) (time.Time, error) {
	switch v := value.(type) {
	case time.Time:
		return v.UTC(), nil
	case string:
		if t, err := time.Parse(time.RFC3339, v); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, jobs.Invalid(path, "must be a time like 2026-11-24T15:04:05Z")
}

func readFlag(path string, value any) (bool, error) {
	flag, ok := value.(bool)
	if !ok {
		return false, jobs.Invalid(path, "must be true or false")
	}
	return flag, nil
}

func (f Field) readList(path string, value any) ([]map[string]any, error) {
	entries, ok := objects(value)
	if !ok {
		return nil, jobs.Invalid(path, "must be a list of objects")
	}
	if len(entries) > maxList {
		return nil, jobs.Invalid(path, "must have at most %d entries", maxList)
	}
	read := make([]map[string]any, len(entries))
	for i, entry := range entries {
		var err error
		if read[i], err = readFields(fmt.Sprintf("%s[%d].", path, i), f.Of, entry); err != nil {
			return nil, err
		}
	}
	return read, nil
}

// objects takes a list as JSON decodes it, or as Go code writes it.
func objects(value any) ([]map[string]any, bool) {
	if list, ok := value.([]map[string]any); ok {
		return list, true
	}
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	entries := make([]map[string]any, len(list))
	for i := range list {
		if entries[i], ok = list[i].(map[string]any); !ok {
			return nil, false
		}
	}
	return entries, true
}

// readFields reads the named fields and passes over others. A field that is
// empty is as good as absent; null is absent.
func readFields(prefix string, fields []Field, data map[string]any) (map[string]any, error) {
	read := make(map[string]any, len(fields))
	for _, f := range fields {
		path := prefix + f.Name
		value, given := data[f.Name]
		if given && value != nil {
			v, err := f.read(path, value)
			if err != nil {
				return nil, err
			}
			if !empty(v) {
				read[f.Name] = v
				continue
			}
		}
		if f.Required {
			return nil, jobs.Invalid(path, "is required: %s (%s)", f.Note, f.Kind)
		}
	}
	return read, nil
}

func empty(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case [][]string:
		return len(v) == 0
	case []map[string]any:
		return len(v) == 0
	default:
		return false
	}
}
