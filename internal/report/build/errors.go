package build

import (
	"context"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// errors tells which attempts failed, where and why, and whether it gets worse.
func (b *Builder) errors(ctx context.Context, r Request, doc *document.Document) error {
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
	doc.Tiles = errorTiles(&found.total, &before)
	doc.Notes = append(doc.Notes,
		"Every failed attempt counts, also one whose job succeeded later. Reasons are grouped: addresses, ids and long numbers are replaced by what they are.")
	if doc.Empty {
		return nil
	}
	if found.total.bad() == 0 {
		doc.Sections = []document.Section{{Title: "Failed attempts by day", Message: "No attempt failed in this range."}}
		return nil
	}
	reasons, err := b.readFailures(ctx, r.TenantID, r.Range)
	if err != nil {
		return err
	}
	doc.Sections = []document.Section{
		failuresByDay(found, buckets), failureTrend(found, buckets), failuresByQueue(found), failureReasons(reasons, found.total.bad()),
	}
	return nil
}

func (b *Builder) readFailures(ctx context.Context, tenant string, r report.Range) (tally[reason], error) {
	var s statement
	s.add("SELECT queue, reason, COUNT(*), MAX(finished_at) FROM (SELECT queue, substr(error, 1, 300) AS reason, finished_at FROM job_runs WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND status IN ('failed', 'retrying') AND ").within("finished_at", r, unixMilli)
	s.add(") AS r GROUP BY queue, reason ORDER BY COUNT(*) DESC, queue, reason")
	return b.readReasons(ctx, &s)
}

func errorTiles(now, before *attempts) []document.Tile {
	return []document.Tile{
		{Label: "Failed attempts", Value: count(now.bad()), Format: asCount, Previous: count(before.bad()), Better: document.Down,
			Hint: "of " + asCount.Show(count(now.all())) + " attempts"},
		{Label: "Failure rate", Value: now.failureRate(), Format: asPercent, Previous: before.failureRate(), Better: document.Down},
		{Label: "Tried again", Value: count(now.retried), Format: asCount, Previous: count(before.retried), Better: document.Down},
		{Label: "Failed for good", Value: count(now.failed), Format: asCount, Previous: count(before.failed), Better: document.Down,
			Hint: "jobs that no retry could save"},
	}
}

func failing(found *runs) []named[dailyAttempts] {
	list := found.byQueue.ranked(func(d *dailyAttempts) int64 { return d.bad() })
	kept := list[:0]
	for _, q := range list {
		if q.count.bad() > 0 {
			kept = append(kept, q)
		}
	}
	return kept
}

func failuresByDay(found *runs, buckets []report.Bucket) document.Section {
	bad := func(i int) int64 { return found.days[i].bad() }
	chart := overTime(document.StackedBars, asCount, buckets, busiest(buckets, "failed attempts", bad))
	for _, q := range top(failing(found), maxSeries, addDaily) {
		chart.Series = append(chart.Series, series(q.name, len(buckets), func(i int) document.Value { return count(q.count.days[i].bad()) }))
	}
	return document.Section{Title: "Failed attempts by day", Caption: "By the queue in which they failed.", Chart: chart}
}

func failureTrend(found *runs, buckets []report.Bucket) document.Section {
	rows, dayFormat := spans(buckets)
	table := &document.Table{
		Caption: "Attempts and failures by day",
		Columns: []document.Column{
			col(dayHeading(dayFormat), dayFormat), col("Attempts", asCount), col("Failed", asCount), col("For good", asCount), col("Failure rate", asPercent),
		},
		Footer: append([]document.Value{document.Text("Total")}, failureNumbers(&found.total)...),
	}
	for _, row := range rows {
		var sum attempts
		for i := row.from; i < row.to; i++ {
			sum.add(&found.days[i])
		}
		table.Rows = append(table.Rows, append([]document.Value{row.label}, failureNumbers(&sum)...))
	}
	return document.Section{
		Title: "Trend", Caption: "The share of attempts that failed, day by day.", Table: table,
		Chart: overTime(document.Lines, asPercent, buckets, asPercent.Show(found.total.failureRate())+" of all attempts failed.",
			toned(document.Bad, series("Failure rate", len(buckets), func(i int) document.Value { return found.days[i].failureRate() }))),
	}
}

func failureNumbers(a *attempts) []document.Value {
	return []document.Value{count(a.all()), count(a.bad()), count(a.failed), a.failureRate()}
}

func failuresByQueue(found *runs) document.Section {
	table := &document.Table{
		Caption: "Failures by queue",
		Columns: []document.Column{
			col("Queue", asText), col("Attempts", asCount), col("Failed", asCount), col("For good", asCount), col("Failure rate", asPercent),
		},
	}
	for _, q := range top(failing(found), maxRanked, addDaily) {
		table.Rows = append(table.Rows, append([]document.Value{document.Text(q.name)}, failureNumbers(&q.count.attempts)...))
	}
	return document.Section{Title: "By queue", Caption: "Queues in which something failed, the worst first.", Table: table}
}

func failureReasons(found tally[reason], all int64) document.Section {
	section := document.Section{Title: "By reason", Caption: "Why attempts failed, the most frequent reason first."}
	list := reasonsAlone(found)
	if len(list) == 0 { // the rows went away between two statements
		section.Message = nothing
		return section
	}
	names := make([]string, len(list))
	values := make([]document.Value, len(list))
	for i, n := range list {
		names[i], values[i] = n.name, count(n.count.count)
	}
	section.Chart = ranking(asCount, "Failed attempts", "The most frequent reason: "+names[0]+".", names, values)
	section.Table = reasonTable("Reasons for failed attempts", "Queue", found, all)
	return section
}

// reasonsAlone are the most frequent reasons, whatever the queue.
func reasonsAlone(found tally[reason]) []named[reason] {
	const drawn = 8
	alone := newTally[reason]()
	for _, n := range found.ranked((*reason).size) {
		if n.name != rest {
			alone.at(n.count.text).count += n.count.count
		}
	}
	list := alone.ranked((*reason).size)
	return list[:min(len(list), drawn)]
}
