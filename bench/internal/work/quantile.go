package work

import (
	"math"
	"slices"
)

// Quantile is the smallest value that at least the share q of the values do not
// exceed; 0 without values. It sorts them.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := int(math.Ceil(q*float64(len(values)))) - 1
	return values[min(max(rank, 0), len(values)-1)]
}
