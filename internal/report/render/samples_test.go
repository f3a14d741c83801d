package render_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/build"
	"github.com/tandemq/tandem/internal/report/document"
	"github.com/tandemq/tandem/internal/report/reporttest"
)

var samples = flag.String("samples", "", "write sample reports into this directory, to look at")

// sample is a report with a name and the document it shows.
type sample struct {
	name string
	doc  document.Document
}

func monthlySales() report.Definition {
	return report.Definition{
		Name: "monthly-sales", Title: "Monthly sales", Description: "Orders and revenue by region and product.",
		SQL:          "SELECT account, placed_at, region, product, amount, discount FROM orders -- all of them",
		TenantColumn: "account", TimeColumn: "placed_at", GroupBy: report.Week,
		Measures: []report.Measure{
			{Title: "Revenue", Func: report.Sum, Column: "amount", Unit: "EUR"},
			{Title: "Orders", Func: report.Count},
			{Title: "Average order", Func: report.Avg, Column: "amount", Unit: "EUR"},
			{Title: "Average discount", Func: report.Avg, Column: "discount", Format: report.AsPercent},
		},
		Dimensions: []report.Dimension{{Title: "Region", Column: "region"}, {Title: "Product", Column: "product"}},
	}
}

// built holds the samples, which are plain values, for all tests of the package.
var built struct {
	once sync.Once
	list []sample
}

// makeSamples is every report with rich, sparse and no data.
func makeSamples(t *testing.T) []sample {
	t.Helper()
	built.once.Do(func() { built.list = buildSamples(t) })
	if built.list == nil {
		t.Fatal("the samples could not be built; the first test says why")
	}
	return slices.Clip(built.list)
}

func buildSamples(t *testing.T) []sample {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	db := reporttest.Open(t)
	db.Fill("acme-industries", time.Date(2026, 1, 26, 0, 0, 0, 0, zone), 70)
	db.AddRun(reporttest.Run{Tenant: "sparse", Queue: "email", Job: "welcome", Finished: time.Date(2026, 3, 5, 9, 0, 0, 0, zone), Wait: 30 * time.Millisecond, Duration: 410 * time.Millisecond})
	db.AddRun(reporttest.Run{Tenant: "sparse", Queue: "export", Job: "csv", Status: "failed", Error: "disk full", Finished: time.Date(2026, 3, 20, 9, 0, 0, 0, zone), Wait: 3 * time.Second, Duration: 95 * time.Second})
	db.AddMail(reporttest.Mail{Tenant: "sparse", Template: "welcome", At: time.Date(2026, 3, 5, 9, 0, 0, 0, zone)})
	db.AddUser("sparse", time.Date(2026, 3, 5, 9, 0, 0, 0, zone), time.Time{})
	b, err := build.New(build.Options{
		Service: db.Read, Definitions: []report.Definition{monthlySales()},
		Targets: build.Targets{Queues: map[string]build.Target{"export": {Run: 2 * time.Minute}}},
		Now:     func() time.Time { return time.Date(2026, 4, 7, 6, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	add := func(name, kind, tenant, from, to string) {
		span, err := report.DateRange{Start: from, End: to}.Resolve(zone)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := b.Build(context.Background(), build.Request{Report: kind, TenantID: tenant, Range: span})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, sample{name, doc})
	}
	for _, e := range b.Catalogue().Entries() {
		add(e.Name+"-rich", e.Name, "acme-industries", "2026-03-01", "2026-04-01")
		add(e.Name+"-sparse", e.Name, "sparse", "2026-03-01", "2026-04-01")
	}
	add("usage-long", "usage", "acme-industries", "2025-06-01", "2026-06-01")
	add("usage-day", "usage", "acme-industries", "2026-03-10", "2026-03-11")
	add("usage-empty", "usage", "nobody", "2026-03-01", "2026-04-01")
	return list
}

// leave writes a file into the directory of -samples, when there is one.
func leave(t *testing.T, name string, body []byte) {
	t.Helper()
	if *samples == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*samples, name), body, 0o644); err != nil {
		t.Fatal(err)
	}
}

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)> =HYPERLINK("https://evil.example") javascript:alert(1) ` +
	"日本語のとても長い名前 العربية \U0001f4a5\U0001f4a5 AVeryLongWordWithoutAnyBlankThatGoesOnAndOnAndOnAndOnUntilItCannotFit \x00\x1b[31m\u202egnp.exe"

// hostileSample puts the same hostile text wherever a document holds text.
func hostileSample() sample {
	n := func(f float64) document.Value { return document.Number(f) }
	txt := document.Text(hostile)
	column := document.Column{Title: hostile, Format: document.Format{Kind: document.Plain}}
	number := document.Column{Title: hostile, Format: document.Format{Kind: document.Count, Unit: "<b>"}}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	chart := func(kind document.ChartKind) *document.Chart {
		return &document.Chart{Kind: kind, Summary: hostile, Format: document.Format{Kind: document.Count},
			Categories: []string{hostile, "b", hostile + "c"},
			Series:     []document.Series{{Name: hostile, Values: []document.Value{n(1), document.None(), n(1e15)}}, {Name: hostile, Values: []document.Value{n(0), n(2), n(-3)}}}}
	}
	rank := chart(document.Ranking)
	rank.Series = rank.Series[:1]
	table := &document.Table{Caption: hostile, Columns: []document.Column{column, column, number}, Footer: []document.Value{txt, txt, n(1)}}
	for range 40 {
		table.Rows = append(table.Rows, []document.Value{txt, txt, n(123456789012)})
	}
	return sample{"hostile", document.Document{
		Report: "usage", Title: hostile, Description: hostile, Tenant: hostile,
		Range:       document.Range{Start: start, End: start.AddDate(0, 1, 0), TimeZone: hostile, Days: 31, WholeDays: true},
		GeneratedAt: start, Empty: true,
		Tiles:    []document.Tile{{Label: hostile, Value: txt, Hint: hostile}, {Label: hostile, Value: n(9.9e17), Format: document.Format{Kind: document.Decimal, Unit: hostile}, Hint: hostile}},
		Sections: []document.Section{{Title: hostile, Caption: hostile, Message: hostile, Chart: chart(document.StackedBars), Table: table}, {Title: "x", Chart: chart(document.Lines)}, {Title: "y", Chart: rank}},
		Notes:    []string{hostile},
	}}
}
