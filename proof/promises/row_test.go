package promises

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestARowIsSavedUnderTheNameOfItsExperiment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	row := Row{Name: "202s lost: power cuts", Goal: "0", Measured: "1", N: 2, Of: "adds", Seed: 3}
	if err := row.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "202s-lost-power-cuts.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := "{\n  \"name\": \"202s lost: power cuts\",\n  \"goal\": \"0\",\n  \"measured\": \"1\",\n" +
		"  \"n\": 2,\n  \"of\": \"adds\",\n  \"seed\": 3,\n  \"holds\": false\n}\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if loaded, err := Load(dir, row.Name); err != nil || loaded != row {
		t.Errorf("loaded %+v, error %v", loaded, err)
	}
	if _, err := Load(dir, "another"); err == nil {
		t.Error("a row that was never saved was loaded")
	}
}

func TestQuantiles(t *testing.T) {
	for name, test := range map[string]struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		"of none":              {nil, 0.5, 0},
		"of one":               {[]time.Duration{7}, 0.5, 7},
		"the middle of three":  {[]time.Duration{3, 1, 2}, 0.5, 2},
		"the lower of a pair":  {[]time.Duration{2, 1}, 0.5, 1},
		"the largest":          {[]time.Duration{3, 1, 2}, 1, 3},
		"nine tenths of ten":   {[]time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.9, 9},
		"the smallest is zero": {[]time.Duration{3, 1, 2}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Quantile(test.of, test.q); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}
