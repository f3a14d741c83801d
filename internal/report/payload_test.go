package report_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
)

func catalogue(t testing.TB) report.Catalogue {
	t.Helper()
	c, err := report.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func payload(change func(*report.Payload)) report.Payload {
	p := report.Payload{ReportType: "usage", DateRange: report.DateRange{Start: "2026-01-01", End: "2026-02-01"}, TenantID: "acme"}
	if change != nil {
		change(&p)
	}
	return p
}

func span(start, end string) func(*report.Payload) {
	return func(p *report.Payload) { p.DateRange = report.DateRange{Start: start, End: end} }
}

func TestValidateNamesTheFieldThatIsWrong(t *testing.T) {
	tests := map[string]struct {
		change func(*report.Payload)
		field  string // empty: the payload is fine
	}{
		"a month":                     {nil, ""},
		"every own report":            {func(p *report.Payload) { p.ReportType = "email-delivery" }, ""},
		"instants":                    {span("2026-01-01T09:30:00Z", "2026-01-01T10:00:00+02:30"), "dateRange.end"},
		"instants in order":           {span("2026-01-01T09:30:00+02:00", "2026-01-01T09:30:00.5Z"), ""},
		"a leap day":                  {span("2028-02-29", "2028-03-01"), ""},
		"exactly 400 days":            {span("2026-01-01", "2027-02-05"), ""},
		"401 days":                    {span("2026-01-01", "2027-02-06"), "dateRange.end"},
		"an impossible day":           {span("2026-02-30", "2026-03-30"), "dateRange.start"},
		"a 29th of a common February": {span("2026-01-01", "2026-02-29"), "dateRange.end"},
		"an impossible hour":          {span("2026-01-01T24:00:00Z", "2026-02-01T00:00:00Z"), "dateRange.start"},
		"an impossible zone":          {span("2026-01-01T00:00:00+99:00", "2026-02-01T00:00:00Z"), "dateRange.start"},
		"no start":                    {span("", "2026-02-01"), "dateRange.start"},
		"no end":                      {span("2026-01-01", ""), "dateRange.end"},
		"an American date":            {span("01/31/2026", "2026-02-01"), "dateRange.start"},
		"a date with blanks":          {span(" 2026-01-01", "2026-02-01"), "dateRange.start"},
		"a time without a zone":       {span("2026-01-01T00:00:00", "2026-02-01"), "dateRange.start"},
		"a date and an instant":       {span("2026-01-01", "2026-02-01T00:00:00Z"), "dateRange.end"},
		"an empty range":              {span("2026-01-01", "2026-01-01"), "dateRange.end"},
		"a range that runs backwards": {span("2026-02-01", "2026-01-01"), "dateRange.end"},
		"a year before computers":     {span("1026-01-01", "2026-01-01"), "dateRange.start"},
		"a year after everybody":      {span("2026-01-01", "9026-01-01"), "dateRange.end"},
		"an unknown report":           {func(p *report.Payload) { p.ReportType = "payroll" }, "reportType"},
		"no report":                   {func(p *report.Payload) { p.ReportType = "" }, "reportType"},
		"no tenant":                   {func(p *report.Payload) { p.TenantID = "" }, "tenantId"},
		"a tenant with a slash":       {func(p *report.Payload) { p.TenantID = "../acme" }, "tenantId"},
		"a tenant with a line break":  {func(p *report.Payload) { p.TenantID = "acme\n" }, "tenantId"},
		"a tenant too long":           {func(p *report.Payload) { p.TenantID = strings.Repeat("a", 65) }, "tenantId"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := report.Validate(payload(tt.change), catalogue(t))
			if got := field(err); got != tt.field {
				t.Errorf("field = %q, want %q (error: %v)", got, tt.field, err)
			}
			if err != nil && !errors.Is(err, jobs.ErrInvalid) {
				t.Errorf("error %v is no jobs.ErrInvalid", err)
			}
		})
	}
}

func field(err error) string {
	if invalid, ok := errors.AsType[*jobs.ValidationError](err); ok {
		return invalid.Field
	}
	return ""
}

func TestPayloadTravelsAsTheContractSays(t *testing.T) {
	body, err := json.Marshal(payload(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"reportType":"usage","dateRange":{"start":"2026-01-01","end":"2026-02-01"},"tenantId":"acme"}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
}

func TestDatesAreDaysOfTheTenantsZone(t *testing.T) {
	r, err := report.DateRange{Start: "2026-03-29", End: "2026-03-30"}.Resolve(zone(t, "Europe/Berlin"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Start.UTC().Format(time.RFC3339), "2026-03-28T23:00:00Z"; got != want {
		t.Errorf("start = %s, want %s", got, want)
	}
	if got, want := r.End.Sub(r.Start), 23*time.Hour; got != want {
		t.Errorf("the day of the clock change lasts %s, want %s", got, want)
	}
}

func TestADayThatAZoneSkippedIsRefused(t *testing.T) {
	_, err := report.DateRange{Start: "2011-12-30", End: "2011-12-31"}.Resolve(zone(t, "Pacific/Apia"))
	if field(err) != "dateRange.end" {
		t.Errorf("error = %v, want one about dateRange.end", err)
	}
}

// Whoever only accepts requests must not link what makes a report.
func TestTheWordsLinkNeitherDatabaseNorDrawing(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for _, heavy := range []string{"database/sql", "html/template", "go-analyze/charts", "go-pdf/fpdf", "modernc.org/sqlite", "report/render", "report/build"} {
		if strings.Contains(string(out), heavy) {
			t.Errorf("report links %s", heavy)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, s := range []string{"2026-01-01", "2026-02-30", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789+14:00", "", "9999-99-99", "2026-01-01T00:00:00-00:00"} {
		f.Add("usage", s, "2026-02-01", "acme")
		f.Add("sla", "2025-12-31", s, "a.b-c_d")
	}
	f.Fuzz(func(t *testing.T, kind, start, end, tenant string) {
		p := report.Payload{ReportType: kind, DateRange: report.DateRange{Start: start, End: end}, TenantID: tenant}
		if err := report.Validate(p, catalogue(t)); err != nil {
			if !errors.Is(err, jobs.ErrInvalid) {
				t.Fatalf("error %v is no jobs.ErrInvalid", err)
			}
			return
		}
		r, err := p.DateRange.Resolve(time.UTC)
		if err != nil {
			t.Fatalf("valid, and yet: %v", err)
		}
		checkCovered(t, r, r.Buckets(report.Day))
		if got := len(r.Buckets(report.Day)); got > report.MaxDays+1 {
			t.Fatalf("%d days from a valid range", got)
		}
	})
}
