package peers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Comparison is the result of one run.
type Comparison struct {
	Peers []string `json:"peers"` // the columns, with their versions
	Rows  []Row    `json:"rows"`
	Seed  uint64   `json:"seed"`
}

// Row is one question, and the answer of each peer in the order of the columns.
type Row struct {
	What     string   `json:"what"`
	Measured []string `json:"measured"`
}

// file is where a comparison is kept in the folder of results.
const file = "peers/comparison.json"

// Save writes the comparison into the folder of results.
func (c *Comparison) Save(results string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode comparison: %w", err)
	}
	path := filepath.Join(results, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("save comparison: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("save comparison: %w", err)
	}
	return nil
}

// Load reads it from there. The error is fs.ErrNotExist when there is none.
func Load(results string) (*Comparison, error) {
	text, err := os.ReadFile(filepath.Join(results, file))
	if err != nil {
		return nil, err
	}
	c := &Comparison{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}
