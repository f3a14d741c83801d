package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandemq/tandem/proof/peers"
	"github.com/tandemq/tandem/proof/promises"
)

// marked is a page with both tables in it.
func marked(of, beside string) string {
	return "# Title\n\n" + begin(campaign) + of + end(campaign) + "\nMore.\n" + begin(comparison) + beside + end(comparison)
}

func TestThePageShowsTheRows(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	write(t, page, marked("old\n", ""))
	row := promises.Row{Name: "a | b", Goal: "0", Measured: "0", N: 7, Of: "jobs", Seed: 3, Holds: true, Small: true}
	if err := row.Save(dir); err != nil {
		t.Fatal(err)
	}
	beside := peers.Comparison{Peers: []string{"Tandem", "other 1.2"}, Rows: []peers.Row{{What: "lost", Measured: []string{"0", "1|2"}}}, Seed: 3}
	if err := beside.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, page, true); err == nil {
		t.Error("a page that is out of date passed")
	}
	if err := run(dir, page, false); err != nil {
		t.Fatal(err)
	}
	want := marked(
		"\nFrom the small form, `make faults`. The campaign has not been run yet.\n\n| what | goal | measured | of | holds | seed |\n|---|---|---|---|---|---|\n"+
			"| a \\| b | 0 | 0 | 7 jobs | yes | 3 |\n\n",
		"\nFrom `make peers SEED=3`.\n\n| what | Tandem | other 1.2 |\n|---|---|---|\n| lost | 0 | 1\\|2 |\n\n")
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

func TestAComparisonThatWasNotRunIsNoError(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "page.md")
	write(t, page, marked("", ""))
	if err := run(dir, page, false); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(page); err != nil || !strings.Contains(string(got), "No comparison has been run yet.") {
		t.Errorf("got %v\n%s", err, got)
	}
}

func TestAPageWithoutMarksIsAnError(t *testing.T) {
	for _, page := range []string{"", begin(campaign), end(campaign), begin(comparison) + end(comparison)} {
		if _, err := replace(page, campaign, "x"); err == nil {
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
