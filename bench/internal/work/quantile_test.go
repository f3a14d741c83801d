package work

import "testing"

func TestQuantile(t *testing.T) {
	tests := map[string]struct {
		values []float64
		q      float64
		want   float64
	}{
		"none":               {nil, 0.5, 0},
		"one":                {[]float64{7}, 0.99, 7},
		"the middle":         {[]float64{3, 1, 2}, 0.5, 2},
		"the lower middle":   {[]float64{4, 1, 3, 2}, 0.5, 2},
		"p99 of few":         {[]float64{1, 2, 3}, 0.99, 3},
		"nothing, the least": {[]float64{3, 1, 2}, 0, 1},
		"all, the most":      {[]float64{3, 1, 2}, 1, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Quantile(test.values, test.q); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
