package jobs

import (
	"math"
	"time"
)

// BackoffType names the way a retry delay grows with the attempts made.
type BackoffType string

// The shipped backoff types, for a base delay d and the attempt a that failed,
// counted from 1. Any other name is looked up among the worker's own functions.
const (
	Fixed       BackoffType = "fixed"       // d, d, d, …
	Linear      BackoffType = "linear"      // d, 2d, 3d, …
	Exponential BackoffType = "exponential" // d, 2d, 4d, …
)

// Shipped reports whether t is computed here.
func (t BackoffType) Shipped() bool { return t == Fixed || t == Linear || t == Exponential }

// Backoff says how long a job waits before its next attempt. The zero value
// retries at once.
type Backoff struct {
	Type     BackoffType
	Delay    time.Duration // base delay
	MaxDelay time.Duration // cap on the grown delay; 0 is no cap
	Jitter   float64       // 0 to 1: the share of the delay that is drawn at random
}

// maxBackoff bounds a delay that would overflow: about 292 years is not what
// anybody meant by 2^60 seconds.
const maxBackoff = 365 * 24 * time.Hour

// After is the delay before the attempt that follows the failed attempt number
// attempt, counted from 1. With jitter j the delay d becomes r·d·j + d·(1−j),
// rounded down to a millisecond, for the random r in [0,1): never more than d,
// so the cap holds. The formula is BullMQ's, and so are the results.
//
// It answers for the shipped types only; the zero Backoff is 0.
func (b Backoff) After(attempt int, r float64) time.Duration {
	d := b.grown(max(1, attempt))
	if b.MaxDelay > 0 {
		d = min(d, b.MaxDelay)
	}
	if b.Jitter > 0 {
		ms := float64(d.Milliseconds())
		d = time.Duration(math.Floor(r*ms*b.Jitter+ms*(1-b.Jitter))) * time.Millisecond
	}
	return d
}

func (b Backoff) grown(attempt int) time.Duration {
	factor := 1.0
	switch b.Type {
	case Linear:
		factor = float64(attempt)
	case Exponential:
		factor = math.Pow(2, float64(attempt-1))
	}
	if grown := factor * float64(b.Delay); grown < float64(maxBackoff) {
		return time.Duration(grown)
	}
	return maxBackoff
}
