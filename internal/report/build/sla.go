package build

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// Target is the service level of one attempt: it has to start within Wait and
// to end within Run of that. Zero leaves that half to the default.
type Target struct{ Wait, Run time.Duration }

// Targets are the service levels by queue. The zero value has every attempt
// start within 5 seconds and end within 30.
type Targets struct {
	Default Target
	Queues  map[string]Target
}

const (
	defaultWait = 5 * time.Second
	defaultRun  = 30 * time.Second
)

func (t Targets) withDefaults() Targets {
	full := Targets{Default: t.Default.or(Target{defaultWait, defaultRun}), Queues: make(map[string]Target, len(t.Queues))}
	for queue, target := range t.Queues {
		full.Queues[queue] = target.or(full.Default)
	}
	return full
}

func (t Target) or(other Target) Target {
	if t.Wait <= 0 {
		t.Wait = other.Wait
	}
	if t.Run <= 0 {
		t.Run = other.Run
	}
	return t
}

func (t Targets) of(queue string) Target {
	if target, ok := t.Queues[queue]; ok {
		return target
	}
	return t.Default
}

// condition appends an expression that is 1 for an attempt within its target.
func (t Targets) condition(s *statement) {
	if len(t.Queues) == 0 {
		t.Default.condition(s)
		return
	}
	s.add("CASE queue")
	for _, queue := range slices.Sorted(maps.Keys(t.Queues)) {
		s.add(" WHEN ").bind(queue).add(" THEN ")
		t.Queues[queue].condition(s)
	}
	s.add(" ELSE ")
	t.Default.condition(s)
	s.add(" END")
}

func (t Target) condition(s *statement) {
	s.add("CASE WHEN wait_ms <= ").bind(t.Wait.Milliseconds())
	s.add(" AND duration_ms <= ").bind(t.Run.Milliseconds()).add(" THEN 1 ELSE 0 END")
}

// kept counts attempts, and those within their target.
type kept struct{ all, within int64 }

func (k *kept) share() document.Value { return document.Ratio(k.within, k.all) }
func (k *kept) add(o *kept)           { k.all += o.all; k.within += o.within }

// level is the service level of one queue.
type level struct {
	kept
	days      []kept
	wait, run histogram
}

// levels is what job_runs says of the service levels of one tenant.
type levels struct {
	total     kept
	days      []kept
	queues    tally[level]
	wait, run histogram
}

// sla tells how long attempts waited and ran, and how many did so in time.
func (b *Builder) sla(ctx context.Context, r Request, doc *document.Document) error {
	buckets := perDay(r.Range)
	found, err := b.readLevels(ctx, r, buckets)
	if err != nil {
		return err
	}
	previous := r.Range.Previous()
	before, err := b.readKept(ctx, r.TenantID, previous, wholeRange(previous))
	if err != nil {
		return err
	}
	doc.Empty = found.total.all == 0
	doc.Tiles = levelTiles(found, &before.total)
	doc.Notes = append(doc.Notes,
		"Waiting time runs from when an attempt was due until it started. Percentiles are nearest ranks over every attempt, exact below two seconds and within 0.1% above. Failed attempts count with their times.")
	if !doc.Empty {
		doc.Sections = []document.Section{shareByDay(found, buckets), timesByQueue(found), targetsByQueue(found, b.targets)}
	}
	return nil
}

func (b *Builder) readLevels(ctx context.Context, r Request, buckets []report.Bucket) (*levels, error) {
	found, err := b.readKept(ctx, r.TenantID, r.Range, buckets)
	if err != nil {
		return nil, err
	}
	err = b.readHistogram(ctx, r, "wait_ms", func(queue string, ms, n int64) {
		found.wait.add(ms, n)
		found.queues.at(queue).wait.add(ms, n)
	})
	if err != nil {
		return nil, err
	}
	err = b.readHistogram(ctx, r, "duration_ms", func(queue string, ms, n int64) {
		found.run.add(ms, n)
		found.queues.at(queue).run.add(ms, n)
	})
	return found, err
}

func (b *Builder) readKept(ctx context.Context, tenant string, r report.Range, buckets []report.Bucket) (*levels, error) {
	var s statement
	s.add("SELECT bucket, queue, COUNT(*), CAST(SUM(within) AS BIGINT) FROM (SELECT ").bucket("finished_at", buckets, unixMilli)
	s.add(" AS bucket, queue, ")
	b.targets.condition(&s)
	s.add(" AS within FROM job_runs WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND ", counted, " AND ").within("finished_at", r, unixMilli)
	s.add(") AS r GROUP BY bucket, queue ORDER BY bucket, queue")

	found := &levels{days: make([]kept, len(buckets)), queues: newTally[level]()}
	err := s.each(ctx, b.service, func(rows *sql.Rows) error {
		var bucket int
		var queue string
		var k kept
		if err := rows.Scan(&bucket, &queue, &k.all, &k.within); err != nil {
			return err
		}
		found.count(bucket, queue, &k)
		return nil
	})
	return found, err
}

func (l *levels) count(bucket int, queue string, k *kept) {
	l.total.add(k)
	l.days[bucket].add(k)
	q := l.queues.at(queue)
	q.add(k)
	if q.days == nil {
		q.days = make([]kept, len(l.days))
	}
	q.days[bucket].add(k)
}

// readHistogram streams how often each value of column, which is ours, occurred
// in each queue: ascending over all queues, as a histogram wants it.
func (b *Builder) readHistogram(ctx context.Context, r Request, column string, use func(queue string, ms, n int64)) error {
	var s statement
	s.add("SELECT queue, ", column, ", COUNT(*) FROM job_runs WHERE ").oneOf("tenant_id", b.tenants(r.TenantID))
	s.add(" AND ", counted, " AND ").within("finished_at", r.Range, unixMilli)
	s.add(" GROUP BY queue, ", column, " ORDER BY ", column, ", queue")
	return s.each(ctx, b.service, func(rows *sql.Rows) error {
		var queue string
		var ms, n int64
		if err := rows.Scan(&queue, &ms, &n); err != nil {
			return err
		}
		use(queue, ms, n)
		return nil
	})
}

func levelTiles(now *levels, before *kept) []document.Tile {
	return []document.Tile{
		{Label: "Within target", Value: now.total.share(), Format: asPercent, Previous: before.share(), Better: document.Up,
			Hint: asCount.Show(count(now.total.within)) + " of " + asCount.Show(count(now.total.all)) + " attempts"},
		{Label: "Median wait", Value: now.wait.quantile(0.5), Format: asDuration},
		{Label: "95% waited at most", Value: now.wait.quantile(0.95), Format: asDuration},
		{Label: "95% ran at most", Value: now.run.quantile(0.95), Format: asDuration},
	}
}

func (q *level) attempts() int64 { return q.all }

func shareByDay(found *levels, buckets []report.Bucket) document.Section {
	chart := overTime(document.Lines, asPercent, buckets, asPercent.Show(found.total.share())+" of all attempts were within their target.")
	for _, q := range found.queues.ranked((*level).attempts) {
		if len(chart.Series) == maxSeries {
			break
		}
		chart.Series = append(chart.Series, series(q.name, len(buckets), func(i int) document.Value { return q.count.days[i].share() }))
	}
	caption := "Of each day's attempts, the share that started and ended in time."
	if hidden := len(found.queues.byName) - len(chart.Series); hidden > 0 {
		caption += fmt.Sprintf(" The %d busiest queues are drawn.", maxSeries)
	}
	rows, dayFormat := spans(buckets)
	table := &document.Table{
		Caption: "Attempts within target, by day",
		Columns: []document.Column{col(dayHeading(dayFormat), dayFormat), col("Attempts", asCount), col("Within target", asCount), col("Share", asPercent)},
		Footer:  []document.Value{document.Text("Total"), count(found.total.all), count(found.total.within), found.total.share()},
	}
	for _, row := range rows {
		var sum kept
		for i := row.from; i < row.to; i++ {
			sum.add(&found.days[i])
		}
		table.Rows = append(table.Rows, []document.Value{row.label, count(sum.all), count(sum.within), sum.share()})
	}
	return document.Section{Title: "Within target by day", Caption: caption, Chart: chart, Table: table}
}

func timesByQueue(found *levels) document.Section {
	table := &document.Table{
		Caption: "Waiting and run times by queue",
		Columns: []document.Column{
			col("Queue", asText), col("Attempts", asCount),
			col("Wait p50", asDuration), col("Wait p95", asDuration), col("Wait p99", asDuration),
			col("Run p50", asDuration), col("Run p95", asDuration), col("Run p99", asDuration),
		},
		Footer: append([]document.Value{document.Text("All"), count(found.total.all)}, percentiles(&found.wait, &found.run)...),
	}
	for _, q := range found.listed() {
		line := []document.Value{document.Text(q.name), count(q.count.all)}
		table.Rows = append(table.Rows, append(line, percentiles(&q.count.wait, &q.count.run)...))
	}
	return document.Section{
		Title: "Times by queue", Table: table,
		Caption: "Half of the attempts took at most p50, 95 of 100 at most p95, and 99 of 100 at most p99.",
	}
}

func percentiles(wait, run *histogram) []document.Value {
	return []document.Value{
		wait.quantile(0.50), wait.quantile(0.95), wait.quantile(0.99),
		run.quantile(0.50), run.quantile(0.95), run.quantile(0.99),
	}
}

func targetsByQueue(found *levels, targets Targets) document.Section {
	table := &document.Table{
		Caption: "Targets by queue, and the share of attempts that met them",
		Columns: []document.Column{
			col("Queue", asText), col("To start within", asTarget), col("To end within", asTarget),
			col("Attempts", asCount), col("Within target", asCount), col("Share", asPercent),
		},
		Footer: []document.Value{
			document.Text("All"), document.None(), document.None(), count(found.total.all), count(found.total.within), found.total.share(),
		},
	}
	for _, q := range found.listed() {
		target := targets.of(q.name)
		table.Rows = append(table.Rows, []document.Value{
			document.Text(q.name), count(target.Wait.Milliseconds()), count(target.Run.Milliseconds()),
			count(q.count.all), count(q.count.within), q.count.share(),
		})
	}
	return document.Section{Title: "Targets by queue", Caption: "A target is met when an attempt both starts and ends in time.", Table: table}
}

// listed are the queues that have a row: the busiest.
func (l *levels) listed() []named[level] {
	list := l.queues.ranked((*level).attempts)
	return list[:min(len(list), maxRanked)]
}
