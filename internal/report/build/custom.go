package build

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// custom makes the report of an operator's definition.
type custom struct {
	definition report.Definition
	db         Querier
}

func withDefaults(d report.Definition) report.Definition {
	if d.GroupBy == "" {
		d.GroupBy = report.Day
	}
	if d.Chart == "" {
		d.Chart = report.BarChart
	}
	return d
}

// cell is what a group of rows says of one measure: enough to add groups up,
// which averages by themselves do not allow.
type cell struct {
	sum    float64
	filled int64 // rows whose column has a value
}

func (c *cell) add(o cell) {
	c.sum += o.sum
	c.filled += o.filled
}

// cells are the measures of one group, in the definition's order.
type cells struct {
	rows     int64
	measures []cell
}

func (c *cells) add(o *cells) {
	if c.measures == nil {
		c.measures = make([]cell, len(o.measures))
	}
	c.rows += o.rows
	for i, m := range o.measures {
		c.measures[i].add(m)
	}
}

func (c custom) build(ctx context.Context, r Request, doc *document.Document) error {
	buckets := r.Range.Buckets(c.definition.GroupBy)
	byTime, err := c.readByTime(ctx, r.TenantID, r.Range, buckets)
	if err != nil {
		return err
	}
	previous := r.Range.Previous()
	before, err := c.readByTime(ctx, r.TenantID, previous, wholeRange(previous))
	if err != nil {
		return err
	}
	total := c.total(byTime)
	doc.Empty = total.rows == 0
	doc.Tiles = c.tiles(total, &before[0])
	if doc.Empty {
		return nil
	}
	breakdowns, err := c.readBreakdowns(ctx, r)
	if err != nil {
		return err
	}
	section, err := c.overTime(ctx, r, buckets, byTime, total, breakdowns)
	if err != nil {
		return err
	}
	doc.Sections = append(doc.Sections, section...)
	for i := range breakdowns {
		doc.Sections = append(doc.Sections, c.breakdownSection(i, breakdowns[i], total))
	}
	doc.Notes = c.notes(r.Range, buckets)
	return nil
}

func (c custom) empty() cells { return cells{measures: make([]cell, len(c.definition.Measures))} }

func (c custom) total(list []cells) *cells {
	total := c.empty()
	for i := range list {
		total.add(&list[i])
	}
	return &total
}

// quoted is a column name of the definition, which Validate has checked.
func quoted(column string) string { return `"` + column + `"` }

// columns appends the aggregates that a cells is scanned from.
func (c custom) columns(s *statement) {
	s.add("COUNT(*)")
	for _, m := range c.definition.Measures {
		if m.Column == "" {
			s.add(", 0.0, COUNT(*)")
			continue
		}
		s.add(", CAST(", c.sumOf(m), " AS DOUBLE PRECISION), COUNT(", quoted(m.Column), ")")
	}
}

// sumOf is the sum that the measure needs; a count works on columns of any type.
func (c custom) sumOf(m report.Measure) string {
	if m.Func == report.Count {
		return "0.0"
	}
	return "SUM(" + quoted(m.Column) + ")"
}

func (c custom) scan(rows *sql.Rows, keys ...any) (cells, error) {
	found := c.empty()
	sums := make([]sql.NullFloat64, len(found.measures))
	targets := append(keys, &found.rows)
	for i := range found.measures {
		targets = append(targets, &sums[i], &found.measures[i].filled)
	}
	if err := rows.Scan(targets...); err != nil {
		return cells{}, err
	}
	for i := range sums {
		found.measures[i].sum = sums[i].Float64
	}
	return found, nil
}

// source appends the operator's SELECT as a table of the tenant's rows in the
// range. The line breaks keep a comment at its end from swallowing ours.
func (c custom) source(s *statement, tenant string, r report.Range) {
	d := c.definition
	s.add("(\n", d.SQL, "\n) AS src WHERE ", quoted(d.TenantColumn), " = ").bind(tenant)
	s.add(" AND ").within(quoted(d.TimeColumn), r, timeWriterOf(d.TimeKind))
}

func (c custom) readByTime(ctx context.Context, tenant string, r report.Range, buckets []report.Bucket) ([]cells, error) {
	var s statement
	s.add("SELECT tandem_bucket, ")
	c.columns(&s)
	s.add(" FROM (SELECT src.*, ").bucket(quoted(c.definition.TimeColumn), buckets, timeWriterOf(c.definition.TimeKind))
	s.add(" AS tandem_bucket FROM ")
	c.source(&s, tenant, r)
	s.add(") AS t GROUP BY tandem_bucket ORDER BY tandem_bucket")

	found := make([]cells, len(buckets))
	for i := range found {
		found[i] = c.empty()
	}
	err := s.each(ctx, c.db, func(rows *sql.Rows) error {
		var bucket int
		got, err := c.scan(rows, &bucket)
		if err != nil {
			return err
		}
		found[bucket].add(&got)
		return nil
	})
	return found, err
}

// group is the measures of the rows that share a dimension's value.
type group struct {
	value sql.NullString
	cells cells
}

func (g group) label() string {
	if !g.value.Valid || strings.TrimSpace(g.value.String) == "" {
		return "(none)"
	}
	return g.value.String
}

func (c custom) readBreakdowns(ctx context.Context, r Request) ([][]group, error) {
	list := make([][]group, len(c.definition.Dimensions))
	for i, d := range c.definition.Dimensions {
		var err error
		if list[i], err = c.readGroups(ctx, r, d); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// readGroups reads the largest groups of a dimension, by the first measure. The
// database sorts and cuts, so a dimension with a million values costs no memory here.
func (c custom) readGroups(ctx context.Context, r Request, d report.Dimension) ([]group, error) {
	var s statement
	s.add("SELECT CAST(", quoted(d.Column), " AS TEXT), ")
	c.columns(&s)
	s.add(" FROM ")
	c.source(&s, r.TenantID, r.Range)
	s.add(" GROUP BY ", quoted(d.Column), " ORDER BY COALESCE(", c.sizeOf(), ", 0) DESC, 1 LIMIT ", strconv.Itoa(maxRanked))

	var found []group
	err := s.each(ctx, c.db, func(rows *sql.Rows) error {
		var g group
		var err error
		if g.cells, err = c.scan(rows, &g.value); err != nil {
			return err
		}
		found = append(found, g)
		return nil
	})
	return found, err
}

// sizeOf is the expression by which groups are ranked: the first measure.
func (c custom) sizeOf() string {
	m := c.definition.Measures[0]
	switch {
	case m.Column == "":
		return "COUNT(*)"
	case m.Func == report.Count:
		return "COUNT(" + quoted(m.Column) + ")"
	case m.Func == report.Avg:
		return "AVG(" + quoted(m.Column) + ")"
	default:
		return "SUM(" + quoted(m.Column) + ")"
	}
}

// readSeries reads the first measure of the given groups by bucket.
func (c custom) readSeries(ctx context.Context, r Request, buckets []report.Bucket, groups []group) (map[string][]cells, error) {
	column := quoted(c.definition.Dimensions[0].Column)
	var s statement
	s.add("SELECT tandem_bucket, tandem_group, ")
	c.columns(&s)
	s.add(" FROM (SELECT src.*, CAST(", column, " AS TEXT) AS tandem_group, ").bucket(quoted(c.definition.TimeColumn), buckets, timeWriterOf(c.definition.TimeKind))
	s.add(" AS tandem_bucket FROM ")
	c.source(&s, r.TenantID, r.Range)
	s.add(" AND CAST(", column, " AS TEXT) IN (")
	for i, g := range groups {
		if i > 0 {
			s.add(", ")
		}
		s.bind(g.value.String)
	}
	s.add(")) AS t GROUP BY tandem_bucket, tandem_group ORDER BY tandem_bucket, tandem_group")

	found := make(map[string][]cells, len(groups))
	err := s.each(ctx, c.db, func(rows *sql.Rows) error {
		var bucket int
		var value string
		got, err := c.scan(rows, &bucket, &value)
		if err != nil {
			return err
		}
		if found[value] == nil {
			found[value] = make([]cells, len(buckets))
		}
		found[value][bucket].add(&got)
		return nil
	})
	return found, err
}

// value is the measure i of a group.
func (c custom) value(i int, of *cells) document.Value {
	if len(of.measures) == 0 {
		return c.nothing(i)
	}
	m := of.measures[i]
	switch c.definition.Measures[i].Func {
	case report.Count:
		return count(m.filled)
	case report.Avg:
		return tidy(document.Ratio(m.sum, float64(m.filled)))
	default:
		return tidy(document.Number(m.sum))
	}
}

// tidy keeps six decimals. What is beyond them is the noise of binary fractions,
// which depends on the order in which a database adds, so that two databases
// with the same rows would tell different numbers.
func tidy(v document.Value) document.Value {
	n, ok := v.Float()
	if !ok {
		return v
	}
	return document.Number(math.Round(n*1e6) / 1e6)
}

// nothing is the measure i of no rows: an average of nothing is no number.
func (c custom) nothing(i int) document.Value {
	if c.definition.Measures[i].Func == report.Avg {
		return document.None()
	}
	return count(0)
}

func formatOf(m report.Measure) document.Format {
	kind := document.Decimal
	switch {
	case m.Format == report.AsPercent:
		kind = document.Percent
	case m.Format == report.AsDuration:
		kind = document.Duration
	case m.Format == report.AsCount, m.Format == "" && m.Func == report.Count:
		kind = document.Count
	}
	return document.Format{Kind: kind, Unit: m.Unit}
}

func (c custom) tiles(now, before *cells) []document.Tile {
	list := make([]document.Tile, len(c.definition.Measures))
	for i, m := range c.definition.Measures {
		list[i] = document.Tile{Label: m.Title, Value: c.value(i, now), Format: formatOf(m), Previous: c.value(i, before)}
	}
	return list
}

func (c custom) measureColumns(first ...document.Column) []document.Column {
	for _, m := range c.definition.Measures {
		first = append(first, col(m.Title, formatOf(m)))
	}
	return first
}

func (c custom) measureValues(first document.Value, of *cells) []document.Value {
	line := []document.Value{first}
	for i := range c.definition.Measures {
		line = append(line, c.value(i, of))
	}
	return line
}

func (c custom) breakdownSection(i int, groups []group, total *cells) document.Section {
	dimension := c.definition.Dimensions[i]
	table := &document.Table{
		Caption: "By " + dimension.Title,
		Columns: c.measureColumns(col(dimension.Title, asText)),
		Footer:  c.measureValues(document.Text("Total"), total),
	}
	shown := c.empty()
	for _, g := range groups {
		shown.add(&g.cells)
		table.Rows = append(table.Rows, c.measureValues(document.Text(g.label()), &g.cells))
	}
	if others := difference(total, &shown); others.rows > 0 {
		table.Rows = append(table.Rows, c.measureValues(document.Text(rest), others))
	}
	return document.Section{Title: "By " + dimension.Title, Caption: "The largest first, by " + c.definition.Measures[0].Title + ".", Table: table}
}

// difference is what is in all and not in part.
func difference(all, part *cells) *cells {
	left := cells{rows: all.rows - part.rows, measures: make([]cell, len(all.measures))}
	for i := range all.measures {
		left.measures[i] = cell{sum: all.measures[i].sum - part.measures[i].sum, filled: all.measures[i].filled - part.measures[i].filled}
	}
	return &left
}

func (c custom) notes(r report.Range, buckets []report.Bucket) []string {
	first, last := buckets[0], buckets[len(buckets)-1]
	full := report.Range{Start: first.Start, End: last.End}
	if c.definition.GroupBy == report.Day || full.WholeDays() && wholePeriods(r, c.definition.GroupBy) {
		return nil
	}
	return []string{fmt.Sprintf("The range begins or ends inside a %s; that %s counts only as far as the range reaches.", c.definition.GroupBy, c.definition.GroupBy)}
}

// wholePeriods reports whether the range begins and ends with a period: then a
// range that starts a moment earlier, or ends a moment later, has more of them.
func wholePeriods(r report.Range, p report.Period) bool {
	inside := len(r.Buckets(p))
	earlier := report.Range{Start: r.Start.Add(-1), End: r.End}
	later := report.Range{Start: r.Start, End: r.End.Add(1)}
	return len(earlier.Buckets(p)) > inside && len(later.Buckets(p)) > inside
}
