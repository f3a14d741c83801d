package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind says what an entry tells.
type Kind byte

// The kinds of entries; the package comment has their words.
const (
	Process  Kind = 'P'
	Intent   Kind = 'I'
	Acked    Kind = 'A'
	Denied   Kind = 'D'
	Unknown  Kind = 'U'
	Lease    Kind = 'L'
	Start    Kind = 'S'
	Effect   Kind = 'X'
	Returned Kind = 'R'
	End      Kind = 'E'
	Event    Kind = 'V'
	Fault    Kind = 'F'
	Vitals   Kind = 'M'
)

// Entry is one line. Which fields are set follows from the kind.
type Entry struct {
	At   int64 // microseconds of CLOCK_MONOTONIC
	Kind Kind
	Pid  int // the process that wrote it, or that a Process entry is about

	Key, ID, Token string
	N              int64  // attempt, priority, existed, goroutines
	Until          int64  // microseconds: when a lease ends, before when a job must not begin; descriptors of Vitals
	Bytes          int64  // resident memory of Vitals
	Word           string // what, want, status, name
	Text           string // an error, a reason, a role
}

// shape lists the words of a kind: k key, i id, t token, n N, u Until, b Bytes,
// w Word, p Pid, x Text as one word, q Text in quotes.
func (k Kind) shape() string {
	switch k {
	case Process:
		return "pxw"
	case Intent:
		return "kwnu"
	case Acked:
		return "kin"
	case Denied, Unknown:
		return "kiq"
	case Lease:
		return "itnu"
	case Start:
		return "kitn"
	case Effect:
		return "ki"
	case Returned:
		return "it"
	case End:
		return "inwq"
	case Event:
		return "iwq"
	case Fault:
		return "xw"
	case Vitals:
		return "nub"
	default:
		return ""
	}
}

// appendTo writes the entry as a line.
func (e *Entry) appendTo(line []byte) []byte {
	line = strconv.AppendInt(line, e.At, 10)
	line = append(line, ' ', byte(e.Kind))
	for _, field := range e.Kind.shape() {
		line = append(line, ' ')
		switch field {
		case 'p':
			line = strconv.AppendInt(line, int64(e.Pid), 10)
		case 'n', 'u', 'b':
			line = strconv.AppendInt(line, *e.number(field), 10)
		case 'q':
			line = strconv.AppendQuote(line, e.Text)
		default:
			line = append(line, e.word(field)...)
		}
	}
	return append(line, '\n')
}

func (e *Entry) number(field rune) *int64 {
	switch field {
	case 'u':
		return &e.Until
	case 'b':
		return &e.Bytes
	default:
		return &e.N
	}
}

// word is a text field; an empty one is written as a dash. An id with a space in
// it is none of ours: a fault may have written it.
func (e *Entry) word(field rune) string {
	text := *e.text(field)
	if text == "" {
		return "-"
	}
	if strings.ContainsAny(text, " \r\n") {
		return strings.Join(strings.Fields(text), "?")
	}
	return text
}

func (e *Entry) text(field rune) *string {
	switch field {
	case 'k':
		return &e.Key
	case 'i':
		return &e.ID
	case 't':
		return &e.Token
	case 'w':
		return &e.Word
	default:
		return &e.Text
	}
}

// String is the entry as its line has it.
func (e *Entry) String() string { return strings.TrimSuffix(string(e.appendTo(nil)), "\n") }

// Parse reads one line, without its end.
func Parse(line string) (Entry, error) {
	at, rest, _ := strings.Cut(line, " ")
	kind, rest, _ := strings.Cut(rest, " ")
	var e Entry
	var err error
	if e.At, err = strconv.ParseInt(at, 10, 64); err != nil || len(kind) != 1 {
		return e, fmt.Errorf("ledger line %q does not begin with a time and a kind", line)
	}
	e.Kind = Kind(kind[0])
	shape := e.Kind.shape()
	if shape == "" {
		return e, fmt.Errorf("ledger line %q is of no known kind", line)
	}
	for _, field := range shape {
		if rest, err = e.read(field, rest); err != nil {
			return e, fmt.Errorf("ledger line %q: %w", line, err)
		}
	}
	if rest != "" {
		return e, fmt.Errorf("ledger line %q has too many words", line)
	}
	return e, nil
}

// read takes one field off the front of rest.
func (e *Entry) read(field rune, rest string) (string, error) {
	if field == 'q' {
		var err error
		e.Text, err = strconv.Unquote(rest)
		return "", err
	}
	word, rest, _ := strings.Cut(rest, " ")
	if word == "" {
		return "", fmt.Errorf("word %q is missing", field)
	}
	var err error
	switch field {
	case 'p':
		e.Pid, err = strconv.Atoi(word)
		return rest, err
	case 'n', 'u', 'b':
		*e.number(field), err = strconv.ParseInt(word, 10, 64)
		return rest, err
	}
	if word != "-" {
		*e.text(field) = strings.Clone(word)
	}
	return rest, nil
}
