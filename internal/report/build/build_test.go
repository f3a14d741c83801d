package build_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/build"
	"github.com/tandemq/tandem/internal/report/document"
	"github.com/tandemq/tandem/internal/report/reporttest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func berlin(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func at(t testing.TB, loc *time.Location, text string) time.Time {
	t.Helper()
	moment, err := time.ParseInLocation("2006-01-02 15:04", text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func sales(change func(*report.Definition)) report.Definition {
	d := report.Definition{
		Name: "monthly-sales", Title: "Monthly sales",
		SQL:          "SELECT * FROM orders -- every one",
		TenantColumn: "account", TimeColumn: "placed_at", GroupBy: report.Week,
		Measures: []report.Measure{
			{Title: "Revenue", Func: report.Sum, Column: "amount", Unit: "EUR"},
			{Title: "Orders", Func: report.Count},
			{Title: "With a region", Func: report.Count, Column: "region"},
			{Title: "Average order", Func: report.Avg, Column: "amount", Unit: "EUR"},
		},
		Dimensions: []report.Dimension{{Title: "Region", Column: "region"}, {Title: "Product", Column: "product"}},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func builder(t testing.TB, db *reporttest.DB, definitions ...report.Definition) *build.Builder {
	t.Helper()
	b, err := build.New(build.Options{
		Service: db.Read, Definitions: definitions,
		Targets: build.Targets{Queues: map[string]build.Target{"export": {Run: 2 * time.Minute}}},
		Now:     func() time.Time { return time.Date(2026, 4, 7, 6, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func made(t testing.TB, b *build.Builder, loc *time.Location, name, tenant, start, end string) document.Document {
	t.Helper()
	r, err := report.DateRange{Start: start, End: end}.Resolve(loc)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := b.Build(t.Context(), build.Request{Report: name, TenantID: tenant, Range: r})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Both databases answer alike, over a month with a clock change, with another
// tenant's rows all around.
func TestDocumentsAreAsRecorded(t *testing.T) {
	reporttest.Each(t, func(t *testing.T, db *reporttest.DB) {
		loc := berlin(t)
		db.Fill("acme", time.Date(2026, 3, 10, 0, 0, 0, 0, loc), 28)
		db.Fill("globex-corporation", time.Date(2026, 3, 20, 0, 0, 0, 0, loc), 8)
		b := builder(t, db, sales(nil))
		for _, e := range b.Catalogue().Entries() {
			t.Run(e.Name, func(t *testing.T) {
				golden(t, e.Name, made(t, b, loc, e.Name, "acme", "2026-03-23", "2026-04-02"))
			})
		}
	})
}

func golden(t *testing.T, name string, doc document.Document) {
	t.Helper()
	got, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// cells is a table as text: the heading, the rows and the footer.
func cells(t testing.TB, table *document.Table) []string {
	t.Helper()
	if table == nil {
		t.Fatal("there is no table")
	}
	var titles []string
	for _, c := range table.Columns {
		titles = append(titles, c.Title)
	}
	lines := []string{strings.Join(titles, " | ")}
	for _, row := range append(append([][]document.Value{}, table.Rows...), table.Footer) {
		if row == nil {
			continue
		}
		if len(row) != len(table.Columns) {
			t.Errorf("a row has %d cells for %d columns", len(row), len(table.Columns))
		}
		var texts []string
		for i, v := range row {
			texts = append(texts, strings.ReplaceAll(table.Columns[i].Format.Bare(v), "\u00a0", " "))
		}
		lines = append(lines, strings.Join(texts, " | "))
	}
	return lines
}

func section(t testing.TB, doc document.Document, title string) document.Section {
	t.Helper()
	for _, s := range doc.Sections {
		if s.Title == title {
			return s
		}
	}
	t.Fatalf("no section %q in %s", title, doc.Report)
	return document.Section{}
}

func TestAJobCountsOnTheTenantsDay(t *testing.T) {
	db, loc := reporttest.Open(t), berlin(t)
	for _, moment := range []string{
		"2026-03-28 23:59", // before the range
		"2026-03-29 00:00", // its first instant, in winter time
		"2026-03-29 23:59", // in summer time: 21:59 UTC
		"2026-03-30 00:00",
		"2026-03-31 00:00", // after it
	} {
		db.AddRun(reporttest.Run{Tenant: "acme", Queue: "email", Job: "welcome", Finished: at(t, loc, moment), Duration: time.Second})
	}
	doc := made(t, builder(t, db), loc, "usage", "acme", "2026-03-29", "2026-03-31")
	want := []string{
		"Day | email | Total",
		"Sun 29 Mar 2026 | 2 | 2",
		"Mon 30 Mar 2026 | 1 | 1",
		"Total | 3 | 3",
	}
	if diff := cmp.Diff(want, cells(t, section(t, doc, "Jobs by day").Table)); diff != "" {
		t.Errorf("jobs by day (-want +got):\n%s", diff)
	}
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	reporttest.Each(t, func(t *testing.T, db *reporttest.DB) {
		noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
		for _, tenant := range []string{"globex", "acme-2", "ACME", "acm_", "%"} {
			db.AddRun(reporttest.Run{Tenant: tenant, Queue: "email", Job: "secret-job", Status: "failed", Error: "secret reason", Finished: noon})
			db.AddMail(reporttest.Mail{Tenant: tenant, Template: "secret-template", Error: "secret reason", At: noon})
			db.AddUser(tenant, noon, noon)
			db.AddOrder(reporttest.Order{Account: tenant, Region: "secret-region", At: noon, Amount: 1})
		}
		b := builder(t, db, sales(nil))
		for _, e := range b.Catalogue().Entries() {
			doc := made(t, b, time.UTC, e.Name, "acme", "2026-03-01", "2026-04-01")
			body, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			if !doc.Empty || strings.Contains(string(body), "secret") {
				t.Errorf("%s of a tenant without rows: %s", e.Name, body)
			}
		}
	})
}

func TestWhatBelongsToNoTenantIsInTheReportsOfTheDefaultOne(t *testing.T) {
	reporttest.Each(t, func(t *testing.T, db *reporttest.DB) {
		noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
		const nobody = ""
		db.AddRun(reporttest.Run{Tenant: nobody, Queue: "email", Job: "welcome", Status: "failed", Error: "reason", Finished: noon})
		db.AddMail(reporttest.Mail{Tenant: nobody, Template: "welcome", Error: "reason", At: noon})
		db.AddUser(nobody, noon, noon.Add(time.Hour))
		db.AddOrder(reporttest.Order{Account: nobody, At: noon, Amount: 1})
		b, err := build.New(build.Options{Service: db.Read, Definitions: []report.Definition{sales(nil)}, DefaultTenant: "default"})
		if err != nil {
			t.Fatal(err)
		}
		for tenant, want := range map[string][]string{
			"default": {"usage", "email-delivery", "signups", "errors", "sla"}, // an operator's report has the tenant it names
			"acme":    nil,
		} {
			var found []string
			for _, e := range b.Catalogue().Entries() {
				if doc := made(t, b, time.UTC, e.Name, tenant, "2026-03-01", "2026-04-01"); !doc.Empty {
					found = append(found, e.Name)
				}
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("reports about %s that have rows (-want +got):\n%s", tenant, diff)
			}
		}
	})
}

func TestAnEmptyRangeIsAReportThatSaysSo(t *testing.T) {
	b := builder(t, reporttest.Open(t), sales(nil))
	for _, e := range b.Catalogue().Entries() {
		doc := made(t, b, time.UTC, e.Name, "acme", "2026-03-01", "2026-04-01")
		if !doc.Empty || len(doc.Tiles) == 0 || len(doc.Sections) != 0 {
			t.Errorf("%s: empty = %t, %d tiles, %d sections", e.Name, doc.Empty, len(doc.Tiles), len(doc.Sections))
		}
	}
}

func TestAttemptsThatWerePutAsideAreNotCounted(t *testing.T) {
	db := reporttest.Open(t)
	noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for _, status := range []string{"completed", "failed", "retrying", "snoozed", "released"} {
		db.AddRun(reporttest.Run{Tenant: "acme", Queue: "email", Job: "welcome", Status: status, Error: "x", Finished: noon, Wait: time.Second, Duration: 2 * time.Second})
	}
	doc := made(t, builder(t, db), time.UTC, "usage", "acme", "2026-03-05", "2026-03-06")
	want := []string{
		"Type | Job | Completed | Failed | Retries | Avg. run | Longest run | Avg. wait",
		"email | welcome | 1 | 1 | 1 | 2.00 s | 2.00 s | 1.00 s",
		"Total |  | 1 | 1 | 1 | 2.00 s | 2.00 s | 1.00 s",
	}
	if diff := cmp.Diff(want, cells(t, section(t, doc, "Jobs by type").Table)); diff != "" {
		t.Errorf("jobs by type (-want +got):\n%s", diff)
	}
}

func TestTilesCompareWithTheRangeBefore(t *testing.T) {
	db := reporttest.Open(t)
	for day, n := range map[string]int{"2026-03-01 12:00": 9, "2026-03-02 12:00": 4, "2026-03-03 12:00": 5} {
		for range n {
			db.AddMail(reporttest.Mail{Tenant: "acme", Template: "welcome", At: at(t, time.UTC, day)})
		}
	}
	doc := made(t, builder(t, db), time.UTC, "email-delivery", "acme", "2026-03-03", "2026-03-04")
	if got, want := doc.Tiles[1].Format.Change(doc.Tiles[1].Value, doc.Tiles[1].Previous), "+25.0%"; got != want {
		t.Errorf("change of mails sent = %q, want %q", got, want)
	}
}

func TestReasonsOfOneKindAreCountedTogether(t *testing.T) {
	db := reporttest.Open(t)
	noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for i, text := range []string{
		"550 5.1.1 <ann@example.com>: user unknown",
		"550 5.1.1 <bob@example.org>: user unknown\nRCPT TO:<bob@example.org>",
		"dial tcp 10.0.0.1:587: connection refused",
		"dial tcp 10.0.0.22:587: connection refused",
		"dial tcp 10.0.0.3:2525: connection refused",
		"",
	} {
		db.AddRun(reporttest.Run{Tenant: "acme", Queue: "email", Job: "welcome", Status: "failed", Error: text, Finished: noon.Add(time.Duration(i) * time.Minute)})
	}
	doc := made(t, builder(t, db), time.UTC, "errors", "acme", "2026-03-05", "2026-03-06")
	want := []string{
		"Queue | Reason | Count | Share",
		"email | dial tcp (host): connection refused | 3 | 50.0%",
		"email | 550 5.1.1 <(address)>: user unknown | 2 | 33.3%",
		"email | No reason was given | 1 | 16.7%",
	}
	if diff := cmp.Diff(want, cells(t, section(t, doc, "By reason").Table)); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

func TestServiceLevelsAreNearestRanksAndSharesWithinTarget(t *testing.T) {
	db := reporttest.Open(t)
	noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for i := 1; i <= 100; i++ { // waits of 100 ms to 10 s: 50 of them within 5 s
		db.AddRun(reporttest.Run{Tenant: "acme", Queue: "email", Job: "welcome", Finished: noon, Wait: time.Duration(i) * 100 * time.Millisecond, Duration: 300 * time.Millisecond})
	}
	db.AddRun(reporttest.Run{Tenant: "acme", Queue: "export", Job: "csv", Finished: noon, Duration: 90 * time.Second})
	db.AddRun(reporttest.Run{Tenant: "acme", Queue: "export", Job: "csv", Finished: noon, Duration: 121 * time.Second})
	doc := made(t, builder(t, db), time.UTC, "sla", "acme", "2026-03-05", "2026-03-06")
	times := []string{
		"Queue | Attempts | Wait p50 | Wait p95 | Wait p99 | Run p50 | Run p95 | Run p99",
		"email | 100 | 5.00 s | 9.50 s | 9.90 s | 300 ms | 300 ms | 300 ms",
		"export | 2 | 0 ms | 0 ms | 0 ms | 1 m 30 s | 2 m 01 s | 2 m 01 s",
		"All | 102 | 4.90 s | 9.50 s | 9.90 s | 300 ms | 300 ms | 1 m 30 s",
	}
	if diff := cmp.Diff(times, cells(t, section(t, doc, "Times by queue").Table)); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	targets := []string{
		"Queue | To start within | To end within | Attempts | Within target | Share",
		"email | 5 s | 30 s | 100 | 50 | 50.0%",
		"export | 5 s | 2 m | 2 | 1 | 50.0%",
		"All | – | – | 102 | 51 | 50.0%",
	}
	if diff := cmp.Diff(targets, cells(t, section(t, doc, "Targets by queue").Table)); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
}

func TestALongRangeHasADayInTheChartAndAMonthInTheTable(t *testing.T) {
	db, loc := reporttest.Open(t), berlin(t)
	for _, moment := range []string{"2025-07-01 00:00", "2025-10-31 23:59", "2026-06-30 23:59"} {
		db.AddUser("acme", at(t, loc, moment), time.Time{})
	}
	doc := made(t, builder(t, db), loc, "signups", "acme", "2025-07-01", "2026-07-01")
	s := section(t, doc, "Sign-ups by day")
	if got := len(s.Chart.Categories); got != 365 {
		t.Errorf("the chart has %d days, want 365", got)
	}
	lines := cells(t, s.Table)
	if len(lines) != 14 || lines[1] != "July 2025 | 1 | 0 | 0.0%" || lines[4] != "October 2025 | 1 | 0 | 0.0%" || lines[12] != "June 2026 | 1 | 0 | 0.0%" {
		t.Errorf("table by month:\n%s", strings.Join(lines, "\n"))
	}
}

func TestManyNamesAreFoldedIntoOneRow(t *testing.T) {
	db := reporttest.Open(t)
	noon := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	for i := range 1_200 {
		db.AddMail(reporttest.Mail{Tenant: "acme", Template: fmt.Sprintf("t%04d", i), At: noon})
	}
	doc := made(t, builder(t, db), time.UTC, "email-delivery", "acme", "2026-03-05", "2026-03-06")
	lines := cells(t, section(t, doc, "Mails by template").Table)
	if got, want := lines[len(lines)-2], "All others | 1,180 | 0 | 100.0% | 98.3%"; got != want {
		t.Errorf("the last row is %q, want %q", got, want)
	}
}

func TestDefinitionsReadEveryKindOfTime(t *testing.T) {
	kinds := map[report.TimeKind]string{report.UnixMilli: "placed_at", report.RFC3339: "placed_text", report.LocalDate: "placed_date"}
	reporttest.Each(t, func(t *testing.T, db *reporttest.DB) {
		loc := berlin(t)
		for _, moment := range []string{"2026-03-28 23:59", "2026-03-29 00:00", "2026-03-29 23:59", "2026-03-30 12:00", "2026-03-31 00:00"} {
			db.AddOrder(reporttest.Order{Account: "acme", At: at(t, loc, moment), Region: "North", Amount: 10})
		}
		for kind, column := range kinds {
			b := builder(t, db, sales(func(d *report.Definition) {
				d.TimeKind, d.TimeColumn, d.GroupBy = kind, column, report.Day
				d.Measures = d.Measures[:2]
			}))
			doc := made(t, b, loc, "monthly-sales", "acme", "2026-03-29", "2026-03-31")
			want := []string{
				"Day | Revenue | Orders",
				"Sun 29 Mar 2026 | 20.00 | 2",
				"Mon 30 Mar 2026 | 10.00 | 1",
				"Total | 30.00 | 3",
			}
			if diff := cmp.Diff(want, cells(t, section(t, doc, "Revenue by day").Table)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", kind, diff)
			}
		}
	})
}

func TestAnUnknownReportIsPermanent(t *testing.T) {
	r, err := report.DateRange{Start: "2026-03-01", End: "2026-03-02"}.Resolve(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	_, err = builder(t, reporttest.Open(t)).Build(t.Context(), build.Request{Report: "payroll", TenantID: "acme", Range: r})
	if !jobs.IsUnrecoverable(err) {
		t.Errorf("error = %v, want an unrecoverable one", err)
	}
}

func TestACancelledBuildStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := report.DateRange{Start: "2026-03-01", End: "2026-03-02"}.Resolve(time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	_, err = builder(t, reporttest.Open(t)).Build(ctx, build.Request{Report: "usage", TenantID: "acme", Range: r})
	if !errors.Is(err, context.Canceled) || jobs.IsUnrecoverable(err) {
		t.Errorf("error = %v, want a plain context.Canceled", err)
	}
}
