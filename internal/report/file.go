package report

import (
	"bytes"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
)

// fileText is the operator's file. Its datasets are read by package dataset.
type fileText struct {
	Default  any          `yaml:"default"`
	Datasets any          `yaml:"datasets"`
	Reports  []Definition `yaml:"reports"`
}

// LoadDefinitions reads the reports in the operator's file; an empty path has
// none. Unknown keys are refused; NewCatalogue checks the rest.
func LoadDefinitions(path string) ([]Definition, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open reports: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	var text fileText
	if err := decoder.Decode(&text); err != nil {
		return nil, fmt.Errorf("reports in %s: %w", path, err)
	}
	return text.Reports, nil
}
