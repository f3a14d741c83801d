package promises

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Row is the result of one experiment.
type Row struct {
	Name     string `json:"name"`     // what was asked
	Goal     string `json:"goal"`     // what is promised
	Measured string `json:"measured"` // what was found
	N        int    `json:"n"`        // over how many
	Of       string `json:"of"`       // of what: "acknowledged adds in 3 power cuts"
	Seed     uint64 `json:"seed"`     // repeats it
	Holds    bool   `json:"holds"`    // the goal was met
	// Tolerated: it was not met, and a machine that does other things too is
	// allowed to be so late, or one without root to lack a part of the experiment.
	// The test passes; the table says no.
	Tolerated bool `json:"tolerated,omitempty"`
	Small     bool `json:"small,omitempty"` // of the small form, not of a campaign
}

// Line is the row as one line of JSON.
func (r Row) Line() (string, error) {
	line, err := json.Marshal(r)
	return string(line), err
}

// Save writes the row into a directory, under the name of the experiment.
func (r Row) Save(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode row: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save row: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, r.file()), append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("save row: %w", err)
	}
	return nil
}

// Load reads the row of an experiment from a directory.
func Load(dir, name string) (Row, error) {
	var r Row
	text, err := os.ReadFile(filepath.Join(dir, Row{Name: name}.file()))
	if err != nil {
		return r, fmt.Errorf("load row: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("load row %q: %w", name, err)
	}
	return r, nil
}

// file is the experiment's name as a file name.
func (r Row) file() string {
	words := strings.FieldsFunc(strings.ToLower(r.Name), func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9')
	})
	return strings.Join(words, "-") + ".json"
}

// Quantile is the value that the share q of the durations does not exceed; zero
// of none. It sorts them.
func Quantile(durations []time.Duration, q float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	at := int(q*float64(len(durations))+0.999999) - 1
	return durations[min(max(at, 0), len(durations)-1)]
}
