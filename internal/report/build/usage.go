package build

import (
	"context"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// usage tells which jobs ran, how many, and how long they took and waited.
func (b *Builder) usage(ctx context.Context, r Request, doc *document.Document) error {
	buckets := perDay(r.Range)
	found, err := b.readRuns(ctx, r.TenantID, r.Range, buckets)
	if err != nil {
		return err
	}
	before, err := b.before(ctx, r.TenantID, r.Range)
	if err != nil {
		return err
	}
	doc.Empty = found.total.all() == 0
	doc.Tiles = usageTiles(&found.total, &before)
	doc.Notes = append(doc.Notes,
		"A job counts on the day it finished. Times are averages over all attempts, retries included.")
	if doc.Empty {
		return nil
	}
	doc.Sections = append([]document.Section{jobsByDay(found, buckets), jobsByType(found)}, timesByDay(found, buckets)...)
	return nil
}

func usageTiles(now, before *attempts) []document.Tile {
	return []document.Tile{
		{Label: "Jobs finished", Value: count(now.finished()), Format: asCount, Previous: count(before.finished())},
		{Label: "Success rate", Value: now.success(), Format: asPercent, Previous: before.success(), Better: document.Up,
			Hint: asCount.Show(count(now.failed)) + " failed for good"},
		{Label: "Retries", Value: count(now.retried), Format: asCount, Previous: count(before.retried), Better: document.Down},
		{Label: "Average run", Value: now.averageRun(), Format: asDuration, Previous: before.averageRun(), Better: document.Down},
		{Label: "Average wait", Value: now.averageWait(), Format: asDuration, Previous: before.averageWait(), Better: document.Down},
		{Label: "Time spent running", Value: count(now.runMs), Format: asDuration, Previous: count(before.runMs)},
	}
}

func jobsByDay(found *runs, buckets []report.Bucket) document.Section {
	queues := top(found.byQueue.ranked(func(d *dailyAttempts) int64 { return d.finished() }), maxSeries, addDaily)
	rows, dayFormat := spans(buckets)
	total := func(i int) int64 { return found.days[i].finished() }
	chart := overTime(document.StackedBars, asCount, buckets, busiest(buckets, "jobs finished", total))
	table := &document.Table{Caption: "Jobs finished, by type and day", Columns: []document.Column{col(dayHeading(dayFormat), dayFormat)}}
	for _, q := range queues {
		chart.Series = append(chart.Series, series(q.name, len(buckets), func(i int) document.Value { return count(q.count.days[i].finished()) }))
		table.Columns = append(table.Columns, col(q.name, asCount))
	}
	table.Columns = append(table.Columns, col("Total", asCount))
	for _, row := range rows {
		line := []document.Value{row.label}
		for _, q := range queues {
			line = append(line, count(sumOver(row, func(i int) int64 { return q.count.days[i].finished() })))
		}
		table.Rows = append(table.Rows, append(line, count(sumOver(row, total))))
	}
	table.Footer = []document.Value{document.Text("Total")}
	for _, q := range queues {
		table.Footer = append(table.Footer, count(q.count.finished()))
	}
	table.Footer = append(table.Footer, count(found.total.finished()))
	return document.Section{Title: "Jobs by day", Caption: "Finished jobs of each type.", Chart: chart, Table: table}
}

func jobsByType(found *runs) document.Section {
	list := top(found.byJob.ranked(func(n *namedAttempts) int64 { return n.finished() }), maxRanked, addNamed)
	table := &document.Table{
		Caption: "Jobs by type",
		Columns: []document.Column{
			col("Type", asText), col("Job", asText), col("Completed", asCount), col("Failed", asCount),
			col("Retries", asCount), col("Avg. run", asDuration), col("Longest run", asDuration), col("Avg. wait", asDuration),
		},
		Footer: append([]document.Value{document.Text("Total"), document.Text("")}, typeNumbers(&found.total)...),
	}
	for _, n := range list {
		names := []document.Value{document.Text(n.count.queue), document.Text(n.count.job)}
		table.Rows = append(table.Rows, append(names, typeNumbers(&n.count.attempts)...))
	}
	return document.Section{Title: "Jobs by type", Caption: "What ran, the most frequent first.", Table: table}
}

func typeNumbers(a *attempts) []document.Value {
	return []document.Value{
		count(a.completed), count(a.failed), count(a.retried),
		a.averageRun(), count(a.longestMs), a.averageWait(),
	}
}

func timesByDay(found *runs, buckets []report.Bucket) []document.Section {
	run := series("Average run", len(buckets), func(i int) document.Value { return found.days[i].averageRun() })
	wait := series("Average wait", len(buckets), func(i int) document.Value { return found.days[i].averageWait() })
	return []document.Section{
		{
			Title: "Run time", Caption: "How long an attempt took, on average.",
			Chart: overTime(document.Lines, asDuration, buckets, "Average run "+asDuration.Show(found.total.averageRun())+" over the whole range.", run),
		},
		{
			Title: "Waiting time", Caption: "How long an attempt waited to be run, on average.",
			Chart: overTime(document.Lines, asDuration, buckets, "Average wait "+asDuration.Show(found.total.averageWait())+" over the whole range.", wait),
		},
	}
}
