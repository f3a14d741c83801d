package report_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tandemq/tandem/internal/report"
)

const operatorsFile = `
datasets:
  - {name: orders, select: SELECT id FROM orders}
reports:
  - name: monthly-sales
    title: Monthly sales
    sql: SELECT tenant, placed, amount FROM orders
    tenantColumn: tenant
    timeColumn: placed
    groupBy: month
    measures: [{title: Revenue, func: sum, column: amount}]
`

func TestReportsAreReadFromTheOperatorsFile(t *testing.T) {
	got, err := report.LoadDefinitions(write(t, operatorsFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Name != "monthly-sales" || got[0].GroupBy != report.Month {
		t.Errorf("read %+v", got)
	}
	if _, err := report.NewCatalogue(got...); err != nil {
		t.Errorf("it does not fit the catalogue: %v", err)
	}
}

func TestNoFileMeansNoReportsOfOnesOwn(t *testing.T) {
	if got, err := report.LoadDefinitions(""); err != nil || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAMistakeInTheFileIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown key": "reports: [{nam: x}]",
		"no YAML":     "reports: [",
	} {
		if _, err := report.LoadDefinitions(write(t, text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := report.LoadDefinitions(filepath.Join(t.TempDir(), "gone.yaml")); err == nil {
		t.Error("a missing file was accepted")
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "datasets.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
