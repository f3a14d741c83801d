package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandemq/tandem/proof/mutants"
)

const root = "../.."

// What the page calls its evidence is there: each test, each row, each mutant.
func TestThePageNamesEvidenceThatExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	page, there := string(text), evidence(t)
	for _, words := range []*regexp.Regexp{
		regexp.MustCompile("`(Test\\w+)[/`]"),
		regexp.MustCompile(`\brows? \*([^*]+)\*`),
		regexp.MustCompile(`\brows (?:\*[^*]+\*, )\*([^*]+)\*`),
		regexp.MustCompile(`\brows (?:\*[^*]+\*, ){2}\*([^*]+)\*`),
		regexp.MustCompile(`\bmutant \*([^*]+)\*`),
	} {
		found := words.FindAllStringSubmatch(page, -1)
		if len(found) == 0 {
			t.Errorf("%s finds nothing on the page", words)
		}
		for _, name := range found {
			if !there[name[1]] {
				t.Errorf("the page names %q, which is not there", name[1])
			}
		}
	}
}

// The table shows what was saved.
func TestThePageIsUpToDate(t *testing.T) {
	if err := run("../results", filepath.Join(root, "docs", "reliability.md"), true); err != nil {
		t.Error(err)
	}
}

// evidence has the names of all tests, rows and mutants.
func evidence(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	rows, err := read("../results")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		names[r.Name] = true
	}
	for _, m := range mutants.All() {
		names[m.Name] = true
	}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range function.FindAllStringSubmatch(string(source), -1) {
			names[name[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
