package build

import (
	"context"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// overTime lays out the measures by period: a chart of the first measure, drawn
// by the first dimension when there is one, and a table of them all.
func (c custom) overTime(ctx context.Context, r Request, buckets []report.Bucket, byTime []cells, total *cells, breakdowns [][]group) ([]document.Section, error) {
	section := document.Section{
		Title: c.definition.Measures[0].Title + " by " + string(c.definition.GroupBy),
		Table: c.timeTable(buckets, byTime, total),
	}
	if c.definition.Chart == report.NoChart {
		return []document.Section{section}, nil
	}
	chart := c.timeChart(buckets, byTime, total)
	if len(breakdowns) > 0 {
		list, err := c.seriesByGroup(ctx, r, buckets, byTime, breakdowns[0])
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			chart.Series = list
			section.Caption = "By " + c.definition.Dimensions[0].Title + "."
		}
	}
	section.Chart = chart
	return []document.Section{section}, nil
}

func (c custom) timeTable(buckets []report.Bucket, byTime []cells, total *cells) *document.Table {
	rows, format := c.spans(buckets)
	table := &document.Table{
		Caption: c.definition.Title + " by " + string(c.definition.GroupBy),
		Columns: c.measureColumns(col(heading(c.definition.GroupBy, format), format)),
		Footer:  c.measureValues(document.Text("Total"), total),
	}
	for _, row := range rows {
		table.Rows = append(table.Rows, c.measureValues(row.label, c.total(byTime[row.from:row.to])))
	}
	return table
}

func (c custom) spans(buckets []report.Bucket) ([]span, document.Format) {
	rows, format := spans(buckets)
	if c.definition.GroupBy == report.Month {
		format.Kind = document.MonthOf
	}
	return rows, format
}

func heading(p report.Period, format document.Format) string {
	switch {
	case format.Kind == document.MonthOf:
		return "Month"
	case p == report.Week:
		return "Week from"
	default:
		return "Day"
	}
}

func (c custom) timeChart(buckets []report.Bucket, byTime []cells, total *cells) *document.Chart {
	m := c.definition.Measures[0]
	return overTime(chartKind(c.definition.Chart, m), formatOf(m), buckets,
		m.Title+": "+formatOf(m).Show(c.value(0, total))+" over the whole range.",
		series(m.Title, len(buckets), func(i int) document.Value { return c.value(0, &byTime[i]) }))
}

// chartKind is the chart asked for, unless it would stack averages, whose sum
// means nothing: those are drawn as lines.
func chartKind(k report.ChartKind, m report.Measure) document.ChartKind {
	switch {
	case k == report.LineChart || m.Func == report.Avg:
		return document.Lines
	case k == report.AreaChart:
		return document.StackedArea
	default:
		return document.StackedBars
	}
}

// seriesByGroup is one series for each of the largest groups, and for what can
// be added up, one more for the rest.
func (c custom) seriesByGroup(ctx context.Context, r Request, buckets []report.Bucket, byTime []cells, groups []group) ([]document.Series, error) {
	drawn := drawable(groups)
	if len(drawn) == 0 {
		return nil, nil
	}
	found, err := c.readSeries(ctx, r, buckets, drawn)
	if err != nil {
		return nil, err
	}
	left := make([]cells, len(buckets))
	for i := range left {
		left[i] = *c.total(byTime[i : i+1])
	}
	var list []document.Series
	for _, g := range drawn {
		of := found[g.value.String]
		if of == nil {
			of = make([]cells, len(buckets))
		}
		list = append(list, series(g.label(), len(buckets), func(i int) document.Value { return c.value(0, &of[i]) }))
		for i := range of {
			if of[i].measures != nil {
				left[i] = *difference(&left[i], &of[i])
			}
		}
	}
	if c.definition.Measures[0].Func != report.Avg && c.total(left).rows > 0 {
		list = append(list, series(rest, len(buckets), func(i int) document.Value { return c.value(0, &left[i]) }))
	}
	return list, nil
}

// drawable are the largest groups that have a value, as many as a chart holds.
func drawable(groups []group) []group {
	var list []group
	for _, g := range groups {
		if g.value.Valid && len(list) < maxSeries {
			list = append(list, g)
		}
	}
	return list
}
