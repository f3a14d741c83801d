package document

import (
	"encoding/json"
	"math"
)

// Value is a number, a text, or nothing. The zero value is None.
type Value struct {
	kind   valueKind
	number float64
	text   string
}

type valueKind uint8

const (
	none valueKind = iota
	number
	text
)

// None is the absence of a value: an average of nothing.
func None() Value { return Value{} }

// Number is a number. What is not finite is None.
func Number[N int | int64 | float64](n N) Value {
	f := float64(n)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return None()
	}
	return Value{kind: number, number: f}
}

// Ratio is part divided by whole, and None of a whole that is zero.
func Ratio[N int | int64 | float64](part, whole N) Value {
	if whole == 0 {
		return None()
	}
	return Number(float64(part) / float64(whole))
}

// Text is a text, shown as it is and never as markup.
func Text(s string) Value { return Value{kind: text, text: s} }

// Float returns the number, and false when the value is none.
func (v Value) Float() (float64, bool) { return v.number, v.kind == number }

// IsNone reports whether there is no value.
func (v Value) IsNone() bool { return v.kind == none }

// Equal reports whether two values say the same. It lets go-cmp look inside.
func (v Value) Equal(other Value) bool { return v == other }

// MarshalJSON writes a number, a string or null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case number:
		return json.Marshal(v.number)
	case text:
		return json.Marshal(v.text)
	default:
		return []byte("null"), nil
	}
}
