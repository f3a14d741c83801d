package cron

import "math/bits"

// set holds small numbers, 0 to 63: the values of a field.
type set uint64

func (s set) has(n int) bool { return s>>uint(n)&1 == 1 }

// from returns the smallest member that is n or more.
func (s set) from(n int) (int, bool) {
	rest := s >> uint(n) << uint(n)
	return bits.TrailingZeros64(uint64(rest)), rest != 0
}

// min returns the smallest member of a set that has one.
func (s set) min() int { return bits.TrailingZeros64(uint64(s)) }

// steps returns lo, lo+step, … up to hi.
func steps(lo, hi, step int) set {
	var s set
	for n := lo; n <= hi; n += step {
		s |= 1 << uint(n)
	}
	return s
}
