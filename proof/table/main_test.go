package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemq/tandem/proof/promises"
)

func TestThePageShowsTheRows(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	write(t, page, "# Title\n\n"+begin+"old\n"+end+"\nMore.\n")
	row := promises.Row{Name: "a | b", Goal: "0", Measured: "0", N: 7, Of: "jobs", Seed: 3, Holds: true, Small: true}
	if err := row.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, page, true); err == nil {
		t.Error("a page that is out of date passed")
	}
	if err := run(dir, page, false); err != nil {
		t.Fatal(err)
	}
	want := "# Title\n\n" + begin + "\n" + "From the small form, `make faults`. The campaign has not been run yet.\n\n| what | goal | measured | of | holds | seed |\n|---|---|---|---|---|---|\n" +
		"| a \\| b | 0 | 0 | 7 jobs | yes | 3 |\n\n" + end + "\nMore.\n"
	if got, err := os.ReadFile(page); err != nil || string(got) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if err := run(dir, page, true); err != nil {
		t.Error(err)
	}
}

func TestRowsOfACampaignAreCalledSo(t *testing.T) {
	small, large := promises.Row{Small: true}, promises.Row{}
	for want, rows := range map[string][]promises.Row{
		"`make campaign`": {large, large}, "has not been run": {large, small},
	} {
		if got := render(rows); !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestAGoalThatWasMissedIsNeverCalledMet(t *testing.T) {
	for row, want := range map[promises.Row]string{
		{Holds: true}:     "| yes |",
		{}:                "| **no** |",
		{Tolerated: true}: "| **no**, within",
	} {
		if got := render([]promises.Row{row}); !strings.Contains(got, want) {
			t.Errorf("%+v is shown as\n%s", row, got)
		}
	}
}

func TestAPageWithoutMarksIsAnError(t *testing.T) {
	for _, page := range []string{"", begin, end} {
		if _, err := replace(page, "x"); err == nil {
			t.Errorf("%q passed", page)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
