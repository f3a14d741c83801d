// Command table writes the results of a campaign into the documentation.
//
//	go -C proof run ./table   puts results/*.json between the marks of docs/reliability.md
//
// With -check it writes nothing and fails when the page is not up to date.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandemq/tandem/proof/promises"
)

const (
	begin = "<!-- campaign: begin -->\n"
	end   = "<!-- campaign: end -->\n"
)

func main() {
	results := flag.String("results", "results", "`directory` with the rows")
	page := flag.String("page", "../docs/reliability.md", "`file` to write into")
	check := flag.Bool("check", false, "write nothing, fail when something would change")
	flag.Parse()
	if err := run(*results, *page, *check); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(results, page string, check bool) error {
	rows, err := read(results)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	after, err := replace(string(before), render(rows))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	if after == string(before) {
		return nil
	}
	if check {
		return fmt.Errorf("%s does not show what is in %s", page, results)
	}
	return os.WriteFile(page, []byte(after), 0o644)
}

// read returns the rows in the order of their names.
func read(dir string) ([]promises.Row, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	rows := make([]promises.Row, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &rows[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return rows, nil
}

// render makes a table in Markdown.
func render(rows []promises.Row) string {
	if len(rows) == 0 {
		return "No campaign has been run yet.\n"
	}
	var b strings.Builder
	b.WriteString(origin(rows) + "\n\n")
	b.WriteString("| what | goal | measured | of | holds | seed |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %d %s | %s | %d |\n", cell(r.Name), cell(r.Goal), cell(r.Measured), r.N, cell(r.Of), verdict(r), r.Seed)
	}
	return b.String()
}

// origin says what made the rows.
func origin(rows []promises.Row) string {
	if slices.ContainsFunc(rows, func(r promises.Row) bool { return r.Small }) {
		return "From the small form, `make faults`. The campaign has not been run yet."
	}
	return "From the campaign, `make campaign`."
}

func verdict(r promises.Row) string {
	switch {
	case r.Holds:
		return "yes"
	case r.Tolerated:
		return "**no**, within what a busy machine may take"
	}
	return "**no**"
}

// cell keeps a text from ending its cell.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text) }

// replace puts the table between the marks of a page.
func replace(page, table string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	if !ok {
		return "", fmt.Errorf("the mark %q is missing", strings.TrimSpace(begin))
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("the mark %q is missing", strings.TrimSpace(end))
	}
	return before + begin + "\n" + table + "\n" + end + after, nil
}
