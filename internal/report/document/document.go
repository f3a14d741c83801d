// Package document is a report as a value: what it says, without how it looks.
// A builder makes one, renderers turn it into pages, and its JSON is the file
// of numbers that goes with them. It holds plain data only, so two documents
// compare equal when they say the same.
package document

import "time"

// Document is one report.
type Document struct {
	Report      string    `json:"report"` // the report's name: "usage"
	Title       string    `json:"title"`
	Description string    `json:"description,omitempty"`
	Tenant      string    `json:"tenant"`
	Range       Range     `json:"range"`
	GeneratedAt time.Time `json:"generatedAt"`
	Empty       bool      `json:"empty"` // nothing happened in the range
	Tiles       []Tile    `json:"tiles"`
	Sections    []Section `json:"sections"`
	Notes       []string  `json:"notes,omitempty"`
}

// Tile is one headline number.
type Tile struct {
	Label  string `json:"label"`
	Value  Value  `json:"value"`
	Format Format `json:"format"`
	Hint   string `json:"hint,omitempty"` // one line below the number
	// Previous is the same number for the range before; None when unknown.
	Previous Value `json:"previous"`
	// Better says which way is good news: the colour of a change.
	Better Direction `json:"better,omitempty"`
}

// Direction is a way in which a number can move.
type Direction string

// The directions. Neither is for numbers that are no news by themselves.
const (
	Neither Direction = ""
	Up      Direction = "up"
	Down    Direction = "down"
)

// Section is a heading with a chart, a table, or both.
type Section struct {
	Title   string `json:"title"`
	Caption string `json:"caption,omitempty"` // one sentence below the heading
	Chart   *Chart `json:"chart,omitempty"`
	Table   *Table `json:"table,omitempty"`
	// Message stands in for a chart or table that would have nothing to show.
	Message string `json:"message,omitempty"`
}

// ChartKind is a way to draw series.
type ChartKind string

// The kinds of chart.
const (
	StackedBars ChartKind = "stacked-bars"
	Lines       ChartKind = "lines"
	StackedArea ChartKind = "stacked-area"
	Ranking     ChartKind = "ranking" // horizontal bars of one series, the longest first
)

// Chart is series over shared categories.
type Chart struct {
	Kind ChartKind `json:"kind"`
	// Summary is the chart in one sentence, for whoever does not see it.
	Summary string `json:"summary"`
	Format  Format `json:"format"`
	// Categories are dates (YYYY-MM-DD) when Dates is set, else any text.
	Categories []string `json:"categories"`
	Dates      bool     `json:"dates"`
	Series     []Series `json:"series"`
}

// Series has one value for each category; None is a gap.
type Series struct {
	Name   string  `json:"name"`
	Tone   Tone    `json:"tone,omitempty"`
	Values []Value `json:"values"`
}

// Tone is what a series stands for, where its colour should tell.
type Tone string

// The tones. Series without one take the colours of the palette in order.
const (
	Bad  Tone = "bad"  // failures
	Rest Tone = "rest" // everything that has no series of its own
)

// Table is rows of values under columns.
type Table struct {
	Caption string    `json:"caption"`
	Columns []Column  `json:"columns"`
	Rows    [][]Value `json:"rows"`
	Footer  []Value   `json:"footer,omitempty"` // totals, as long as a row
}

// Column is the heading and the format of the values below it. The first
// column of a table names its rows.
type Column struct {
	Title  string `json:"title"`
	Format Format `json:"format"`
}
