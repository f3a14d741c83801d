package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in the environment.
type Problem struct {
	Variable string
	Reason   string // what is wrong, and what would be right; never a secret's value
}

// Error is everything that is wrong with the environment.
type Error struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, fmt.Sprintf("the configuration has %s:", counted(len(e.Problems), "mistake")))
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.Variable+" "+p.Reason)
	}
	return strings.Join(lines, "\n")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// problems collects mistakes. Of each variable it keeps the first: what follows
// from a value that could not be read would only confuse.
type problems []Problem

func (p *problems) add(variable, format string, args ...any) {
	known := slices.ContainsFunc(*p, func(other Problem) bool { return other.Variable == variable })
	if !known {
		*p = append(*p, Problem{variable, fmt.Sprintf(format, args...)})
	}
}

// require adds the problem unless ok.
func (p *problems) require(ok bool, variable, format string, args ...any) {
	if !ok {
		p.add(variable, format, args...)
	}
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &Error{p}
}
