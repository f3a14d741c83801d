package build

import (
	"context"
	"database/sql"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// mails counts rows of email_messages, each of which is one mail.
type mails struct{ sent, failed int64 }

func (m *mails) all() int64                { return m.sent + m.failed }
func (m *mails) delivered() document.Value { return document.Ratio(m.sent, m.all()) }
func (m *mails) add(o *mails)              { m.sent += o.sent; m.failed += o.failed }
func (m *mails) count(status string, n int64) {
	if status == "sent" {
		m.sent += n
	} else {
		m.failed += n
	}
}

// reason is one way in which something failed.
type reason struct {
	count int64
	last  int64 // unix milliseconds of the latest
	where string
	text  string
}

func (r *reason) size() int64 { return r.count }

func addReason(sum, n *reason) {
	sum.count += n.count
	sum.last = max(sum.last, n.last)
	sum.text = rest
}

// outbox is what email_messages holds of one tenant in one range.
type outbox struct {
	total      mails
	days       []mails
	byTemplate tally[mails]
}

// emailDelivery tells which mails were sent, which failed, and why.
func (b *Builder) emailDelivery(ctx context.Context, r Request, doc *document.Document) error {
	buckets := perDay(r.Range)
	found, err := b.readMails(ctx, r.TenantID, r.Range, buckets)
	if err != nil {
		return err
	}
	previous := r.Range.Previous()
	before, err := b.readMails(ctx, r.TenantID, previous, wholeRange(previous))
	if err != nil {
		return err
	}
	doc.Empty = found.total.all() == 0
	doc.Tiles = mailTiles(&found.total, &before.total)
	doc.Notes = append(doc.Notes,
		"A mail counts on the day it was queued. Sent means that the mail server accepted it.")
	if doc.Empty {
		return nil
	}
	reasons, err := b.readMailReasons(ctx, r.TenantID, r.Range)
	if err != nil {
		return err
	}
	doc.Sections = []document.Section{mailsByDay(found, buckets), mailsByTemplate(found), mailReasons(reasons, found.total.failed)}
	return nil
}

func (b *Builder) readMails(ctx context.Context, tenant string, r report.Range, buckets []report.Bucket) (*outbox, error) {
	var s statement
	s.add("SELECT bucket, template, status, COUNT(*) FROM (SELECT ").bucket("created_at", buckets, unixMilli)
	s.add(" AS bucket, template, status FROM email_messages WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND ").within("created_at", r, unixMilli)
	s.add(") AS m GROUP BY bucket, template, status ORDER BY bucket, template, status")

	found := &outbox{days: make([]mails, len(buckets)), byTemplate: newTally[mails]()}
	err := s.each(ctx, b.service, func(rows *sql.Rows) error {
		var bucket int
		var template, status string
		var n int64
		if err := rows.Scan(&bucket, &template, &status, &n); err != nil {
			return err
		}
		found.total.count(status, n)
		found.days[bucket].count(status, n)
		found.byTemplate.at(template).count(status, n)
		return nil
	})
	return found, err
}

// readMailReasons counts the failures of each template by their reason.
func (b *Builder) readMailReasons(ctx context.Context, tenant string, r report.Range) (tally[reason], error) {
	var s statement
	s.add("SELECT template, reason, COUNT(*), MAX(created_at) FROM (SELECT template, substr(error, 1, 300) AS reason, created_at FROM email_messages WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND status = 'failed' AND ").within("created_at", r, unixMilli)
	s.add(") AS m GROUP BY template, reason ORDER BY COUNT(*) DESC, template, reason")
	return b.readReasons(ctx, &s)
}

// readReasons folds rows of (where, error text, count, latest) into reasons.
// They come the most frequent first, so those told apart are those that matter.
func (b *Builder) readReasons(ctx context.Context, s *statement) (tally[reason], error) {
	found := newTally[reason]()
	err := s.each(ctx, b.service, func(rows *sql.Rows) error {
		var where string
		var text sql.NullString
		var n, last int64
		if err := rows.Scan(&where, &text, &n, &last); err != nil {
			return err
		}
		kind := reasonOf(text.String)
		entry := found.at(where + "\x00" + kind)
		if entry.count == 0 {
			entry.where, entry.text = where, kind
		}
		entry.count += n
		entry.last = max(entry.last, last)
		return nil
	})
	if other, ok := found.byName[rest]; ok {
		other.where, other.text = rest, ""
	}
	return found, err
}

func mailTiles(now, before *mails) []document.Tile {
	return []document.Tile{
		{Label: "Mails", Value: count(now.all()), Format: asCount, Previous: count(before.all())},
		{Label: "Sent", Value: count(now.sent), Format: asCount, Previous: count(before.sent), Better: document.Up},
		{Label: "Failed", Value: count(now.failed), Format: asCount, Previous: count(before.failed), Better: document.Down},
		{Label: "Delivery rate", Value: now.delivered(), Format: asPercent, Previous: before.delivered(), Better: document.Up},
	}
}

func mailsByDay(found *outbox, buckets []report.Bucket) document.Section {
	rows, dayFormat := spans(buckets)
	sent := func(i int) int64 { return found.days[i].sent }
	failed := func(i int) int64 { return found.days[i].failed }
	table := &document.Table{
		Caption: "Mails by day",
		Columns: []document.Column{col(dayHeading(dayFormat), dayFormat), col("Sent", asCount), col("Failed", asCount), col("Delivery rate", asPercent)},
		Footer:  []document.Value{document.Text("Total"), count(found.total.sent), count(found.total.failed), found.total.delivered()},
	}
	for _, row := range rows {
		m := mails{sent: sumOver(row, sent), failed: sumOver(row, failed)}
		table.Rows = append(table.Rows, []document.Value{row.label, count(m.sent), count(m.failed), m.delivered()})
	}
	return document.Section{
		Title: "Mails by day", Caption: "Sent and failed, by the day they were queued.", Table: table,
		Chart: overTime(document.StackedBars, asCount, buckets, busiest(buckets, "mails sent", sent),
			series("Sent", len(buckets), func(i int) document.Value { return count(sent(i)) }),
			toned(document.Bad, series("Failed", len(buckets), func(i int) document.Value { return count(failed(i)) }))),
	}
}

func mailsByTemplate(found *outbox) document.Section {
	list := top(found.byTemplate.ranked((*mails).all), maxRanked, func(sum, n *mails) { sum.add(n) })
	table := &document.Table{
		Caption: "Mails by template",
		Columns: []document.Column{col("Template", asText), col("Sent", asCount), col("Failed", asCount), col("Delivery rate", asPercent), col("Share", asPercent)},
		Footer:  []document.Value{document.Text("Total"), count(found.total.sent), count(found.total.failed), found.total.delivered(), document.Number(1)},
	}
	for _, n := range list {
		table.Rows = append(table.Rows, []document.Value{
			document.Text(n.name), count(n.count.sent), count(n.count.failed), n.count.delivered(),
			document.Ratio(n.count.all(), found.total.all()),
		})
	}
	return document.Section{Title: "Mails by template", Caption: "The most used first.", Table: table}
}

func mailReasons(found tally[reason], failed int64) document.Section {
	section := document.Section{Title: "Why mails failed", Caption: "What the mail server, or the mail itself, gave as the reason."}
	if failed == 0 {
		section.Message = "No mail failed in this range."
		return section
	}
	section.Table = reasonTable("Reasons for failure, the most frequent first", "Template", found, failed)
	return section
}

// reasonTable lists reasons with their share of all failures.
func reasonTable(caption, where string, found tally[reason], all int64) *document.Table {
	table := &document.Table{
		Caption: caption,
		Columns: []document.Column{col(where, asText), col("Reason", asText), col("Count", asCount), col("Share", asPercent)},
	}
	for _, n := range top(found.ranked((*reason).size), maxRanked, addReason) {
		place, text := n.count.where, n.count.text
		if n.name == rest {
			place, text = rest, ""
		}
		table.Rows = append(table.Rows, []document.Value{
			document.Text(place), document.Text(text), count(n.count.count), document.Ratio(n.count.count, all),
		})
	}
	return table
}
