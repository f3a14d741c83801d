package tally

import (
	"errors"
	"strings"
)

// The lines of a page between which everything is written by the program.
const (
	Begin = "<!-- begin: written by make bench -->"
	End   = "<!-- end: written by make bench -->"
)

// ErrNoMarks is the error of a page that does not say where to write.
var ErrNoMarks = errors.New("the page does not have the two marks, in order")

// Replace puts text between the marks of a page and keeps what is around them.
func Replace(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, Begin)
	if !ok {
		return "", ErrNoMarks
	}
	_, after, ok := strings.Cut(rest, End)
	if !ok {
		return "", ErrNoMarks
	}
	return before + Begin + "\n\n" + strings.TrimSpace(text) + "\n\n" + End + after, nil
}
