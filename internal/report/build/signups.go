package build

import (
	"context"
	"database/sql"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// joined counts accounts of one day, or of a range.
type joined struct {
	registered int64
	converted  int64 // of those registered then, how many are verified by now
	verified   int64 // verified then, whenever they registered
}

func (j *joined) conversion() document.Value { return document.Ratio(j.converted, j.registered) }

type accounts struct {
	total joined
	days  []joined
}

// signups tells how many accounts were registered, and how many were verified.
func (b *Builder) signups(ctx context.Context, r Request, doc *document.Document) error {
	buckets := perDay(r.Range)
	found, err := b.readAccounts(ctx, r.TenantID, r.Range, buckets)
	if err != nil {
		return err
	}
	previous := r.Range.Previous()
	before, err := b.readAccounts(ctx, r.TenantID, previous, wholeRange(previous))
	if err != nil {
		return err
	}
	delay, err := b.readVerificationDelay(ctx, r.TenantID, r.Range)
	if err != nil {
		return err
	}
	doc.Empty = found.total.registered == 0 && found.total.verified == 0
	doc.Tiles = signupTiles(&found.total, &before.total, delay)
	doc.Notes = append(doc.Notes,
		"Conversion is the share of the accounts registered in the range that have been verified since, up to the making of this report; recent days can still rise.")
	if !doc.Empty {
		doc.Sections = []document.Section{signupsByDay(found, buckets), conversionByDay(found, buckets)}
	}
	return nil
}

func (b *Builder) readAccounts(ctx context.Context, tenant string, r report.Range, buckets []report.Bucket) (*accounts, error) {
	found := &accounts{days: make([]joined, len(buckets))}
	err := b.accountsBy(ctx, "created_at", tenant, r, buckets, func(bucket int, all, verified int64) {
		found.days[bucket].registered, found.days[bucket].converted = all, verified
		found.total.registered += all
		found.total.converted += verified
	})
	if err != nil {
		return nil, err
	}
	err = b.accountsBy(ctx, "verified_at", tenant, r, buckets, func(bucket int, all, _ int64) {
		found.days[bucket].verified = all
		found.total.verified += all
	})
	return found, err
}

// accountsBy counts the accounts whose column lies in each bucket.
func (b *Builder) accountsBy(ctx context.Context, column, tenant string, r report.Range, buckets []report.Bucket, use func(bucket int, all, verified int64)) error {
	var s statement
	s.add("SELECT bucket, COUNT(*), COUNT(verified_at) FROM (SELECT ").bucket(column, buckets, unixMilli)
	s.add(" AS bucket, verified_at FROM users WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND ").within(column, r, unixMilli).add(") AS u GROUP BY bucket ORDER BY bucket")
	return s.each(ctx, b.service, func(rows *sql.Rows) error {
		var bucket int
		var all, verified int64
		if err := rows.Scan(&bucket, &all, &verified); err != nil {
			return err
		}
		use(bucket, all, verified)
		return nil
	})
}

// readVerificationDelay is how long the accounts registered in the range took
// to be verified.
func (b *Builder) readVerificationDelay(ctx context.Context, tenant string, r report.Range) (*histogram, error) {
	var s statement
	s.add("SELECT delay, COUNT(*) FROM (SELECT verified_at - created_at AS delay FROM users WHERE ").oneOf("tenant_id", b.tenants(tenant))
	s.add(" AND verified_at IS NOT NULL AND ").within("created_at", r, unixMilli)
	s.add(") AS u GROUP BY delay ORDER BY delay")
	h := new(histogram)
	err := s.each(ctx, b.service, func(rows *sql.Rows) error {
		var delay, n int64
		if err := rows.Scan(&delay, &n); err != nil {
			return err
		}
		h.add(delay, n)
		return nil
	})
	return h, err
}

func signupTiles(now, before *joined, delay *histogram) []document.Tile {
	return []document.Tile{
		{Label: "Registrations", Value: count(now.registered), Format: asCount, Previous: count(before.registered), Better: document.Up},
		{Label: "Verifications", Value: count(now.verified), Format: asCount, Previous: count(before.verified), Better: document.Up},
		{Label: "Conversion", Value: now.conversion(), Format: asPercent, Previous: before.conversion(), Better: document.Up,
			Hint: "verified so far"},
		{Label: "Median time to verify", Value: delay.quantile(0.5), Format: asDuration},
	}
}

func signupsByDay(found *accounts, buckets []report.Bucket) document.Section {
	rows, dayFormat := spans(buckets)
	table := &document.Table{
		Caption: "Sign-ups by day",
		Columns: []document.Column{
			col(dayHeading(dayFormat), dayFormat), col("Registrations", asCount), col("Verifications", asCount), col("Conversion", asPercent),
		},
		Footer: []document.Value{document.Text("Total"), count(found.total.registered), count(found.total.verified), found.total.conversion()},
	}
	for _, row := range rows {
		j := found.sum(row)
		table.Rows = append(table.Rows, []document.Value{row.label, count(j.registered), count(j.verified), j.conversion()})
	}
	registered := func(i int) int64 { return found.days[i].registered }
	return document.Section{
		Title: "Sign-ups by day", Caption: "Accounts registered, and accounts verified, on each day.", Table: table,
		Chart: overTime(document.Lines, asCount, buckets, busiest(buckets, "registrations", registered),
			series("Registrations", len(buckets), func(i int) document.Value { return count(registered(i)) }),
			series("Verifications", len(buckets), func(i int) document.Value { return count(found.days[i].verified) })),
	}
}

func (a *accounts) sum(s span) *joined {
	return &joined{
		registered: sumOver(s, func(i int) int64 { return a.days[i].registered }),
		converted:  sumOver(s, func(i int) int64 { return a.days[i].converted }),
		verified:   sumOver(s, func(i int) int64 { return a.days[i].verified }),
	}
}

func conversionByDay(found *accounts, buckets []report.Bucket) document.Section {
	return document.Section{
		Title: "Conversion", Caption: "Of each day's registrations, the share that has been verified.",
		Chart: overTime(document.Lines, asPercent, buckets, asPercent.Show(found.total.conversion())+" of the registrations in this range have been verified.",
			series("Conversion", len(buckets), func(i int) document.Value { return found.days[i].conversion() })),
	}
}
