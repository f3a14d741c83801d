package cron

import (
	"fmt"
	"strings"
	"unicode"
)

// spec is what a field may contain.
type spec struct {
	name     string
	min, max int
	names    string // three letters each, the first stands for min
	wrap     int    // this value and those above it are other names of 0 and up; 0: none is
}

// The fields, in the order of the line.
var (
	secondSpec  = spec{name: "second", max: 59}
	minuteSpec  = spec{name: "minute", max: 59}
	hourSpec    = spec{name: "hour", max: 23}
	daySpec     = spec{name: "day of month", min: 1, max: 31}
	monthSpec   = spec{name: "month", min: 1, max: 12, names: "janfebmaraprmayjunjulaugsepoctnovdec"}
	weekdaySpec = spec{name: "weekday", max: 7, wrap: 7, names: "sunmontuewedthufrisat"}
)

// fieldsOf splits at what JavaScript takes for white space: Unicode's, but with
// the byte order mark and without NEL.
func fieldsOf(pattern string) []string {
	return strings.FieldsFunc(pattern, func(r rune) bool {
		return r == '\ufeff' || r != '\u0085' && unicode.IsSpace(r)
	})
}

// isAny reports whether a field leaves its values open. Only a bare star does:
// */1 has the same values, but makes the two day fields alternatives.
func isAny(text string) bool { return text == "*" || text == "?" }

// values reads a list of items that are all plain.
func (f spec) values(text string) (set, error) {
	plain, _, err := f.list(text, func(string) (int, bool) { return 0, false })
	return plain, err
}

// list reads a list of plain items, and of special ones that last knows a number
// for. Within each kind no value may come twice.
func (f spec) list(text string, last func(item string) (int, bool)) (plain, special set, err error) {
	for item := range strings.SplitSeq(text, ",") {
		into, got := &plain, set(0)
		if n, ok := last(item); ok {
			into, got = &special, f.fold(1<<uint(n))
		} else if got, err = f.item(item); err != nil {
			return 0, 0, err
		}
		if *into&got != 0 {
			return 0, 0, f.errorf(text, "lists a value twice")
		}
		*into |= got
	}
	return plain, special, nil
}

// item reads n, a-b, *, and the steps a/s, a-b/s, */s.
func (f spec) item(item string) (set, error) {
	body, stepText, stepped := strings.Cut(item, "/")
	lo, hi, ok := f.bounds(body, stepped)
	if !ok {
		return 0, f.unreadable(item)
	}
	if lo < f.min || hi > f.max {
		return 0, f.errorf(item, "is outside %d-%d", f.min, f.max)
	}
	if lo > hi {
		return 0, f.errorf(item, "ends before it begins")
	}
	step := 1
	if stepped {
		if step, ok = number(stepText); !ok || step == 0 {
			return 0, f.errorf(item, "needs a step of 1 or more")
		}
	}
	return f.fold(steps(lo, hi, step)), nil
}

// fold gives each value of an item its one name.
func (f spec) fold(values set) set {
	if f.wrap == 0 {
		return values
	}
	return values&(1<<f.wrap-1) | values>>f.wrap
}

// bounds reads what stands before a step. A single value with a step runs to the
// end of the field.
func (f spec) bounds(body string, stepped bool) (lo, hi int, ok bool) {
	if isAny(body) {
		return f.min, f.max, true
	}
	from, to, ranged := strings.Cut(body, "-")
	if lo, ok = f.value(from); !ok {
		return 0, 0, false
	}
	switch {
	case ranged:
		hi, ok = f.value(to)
		return lo, hi, ok
	case stepped:
		return lo, max(lo, f.max), true
	}
	return lo, lo, true
}

// value reads a number or a name in any case.
func (f spec) value(text string) (int, bool) {
	if len(text) == 3 && f.names != "" {
		if at := strings.Index(f.names, strings.ToLower(text)); at >= 0 && at%3 == 0 {
			return f.min + at/3, true
		}
	}
	return number(text)
}

// tooBig is where number stops counting: above all limits, far from overflow.
const tooBig = 1000

// number reads decimal digits, and whatever is over tooBig as that.
func number(text string) (int, bool) {
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(tooBig, n*10+int(c-'0'))
	}
	return n, text != ""
}

func (f spec) errorf(value, format string, args ...any) error {
	return &Error{Field: f.name, Value: value, Reason: fmt.Sprintf(format, args...)}
}

// unreadable says what is wrong with an item that has no meaning.
func (f spec) unreadable(item string) error {
	if item == "H" || strings.HasPrefix(item, "H/") || strings.HasPrefix(item, "H(") {
		return &Error{Field: f.name, Value: item, Reason: "is not supported: " + ErrHash.Error(), kind: ErrHash}
	}
	if item == "" {
		return f.errorf("", "is empty or has an empty item")
	}
	return f.errorf(item, "is not a value, a range or a star")
}
