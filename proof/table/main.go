// Command table writes the results of a campaign into the documentation.
//
//	go -C proof run ./table   puts results/*.json between the marks of docs/reliability.md,
//	                          and results/peers between those of the comparison
//
// With -check it writes nothing and fails when the page is not up to date.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandemq/tandem/proof/peers"
	"github.com/tandemq/tandem/proof/promises"
)

// The tables of the page, by the names that their marks have.
const (
	campaign   = "campaign"
	comparison = "peers"
)

func begin(name string) string { return "<!-- " + name + ": begin -->\n" }
func end(name string) string   { return "<!-- " + name + ": end -->\n" }

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
	beside, err := peers.Load(results)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	after, err := replace(string(before), campaign, render(rows))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	if after, err = replace(after, comparison, renderComparison(beside)); err != nil {
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

// renderComparison makes a table with a column for each peer; nil is none yet.
func renderComparison(c *peers.Comparison) string {
	if c == nil {
		return "No comparison has been run yet.\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From `make peers SEED=%d`.\n\n", c.Seed)
	line := func(first string, others []string) {
		b.WriteString("| " + cell(first))
		for _, text := range others {
			b.WriteString(" | " + cell(text))
		}
		b.WriteString(" |\n")
	}
	line("what", c.Peers)
	b.WriteString(strings.Repeat("|---", 1+len(c.Peers)) + "|\n")
	for _, r := range c.Rows {
		line(r.What, r.Measured)
	}
	return b.String()
}

// cell keeps a text from ending its cell.
func cell(text string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text) }

// replace puts a table between its marks on a page.
func replace(page, name, table string) (string, error) {
	before, rest, ok := strings.Cut(page, begin(name))
	if !ok {
		return "", fmt.Errorf("the mark %q is missing", strings.TrimSpace(begin(name)))
	}
	_, after, ok := strings.Cut(rest, end(name))
	if !ok {
		return "", fmt.Errorf("the mark %q is missing", strings.TrimSpace(end(name)))
	}
	return before + begin(name) + "\n" + table + "\n" + end(name) + after, nil
}
