package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/store/storetest"
)

// reported is the result of a report.
type reported struct {
	Title, DownloadURL, PDFURL, JSONURL string
	Empty                               bool
}

func signups(tenant string) string {
	return `{"reportType":"signups","tenantId":"` + tenant + `","dateRange":{"start":"2026-03-01","end":"2026-04-01"}}`
}

func TestAReportShowsTheNumbersOfItsTenant(t *testing.T) {
	t.Parallel()
	eachStorage(t, func(t *testing.T, w *world) {
		api := w.api()
		w.worker()
		w.addPeople()
		made := completed[reported](api, api.add("/api/v1/reports", signups("acme")).StatusURL)
		want := map[string]float64{
			"Registrations": query[float64](w, "SELECT COUNT(*) FROM users WHERE tenant_id = 'acme'"),
			"Verifications": query[float64](w, "SELECT COUNT(verified_at) FROM users WHERE tenant_id = 'acme'"),
		}
		if diff := cmp.Diff(want, tiles(t, api.download(made.JSONURL), "Registrations", "Verifications")); diff != "" {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
		page, print := string(api.download(made.DownloadURL)), pdfText(t, api.download(made.PDFURL))
		for _, words := range []string{made.Title, "Registrations", "Verifications", "acme", "66.7"} {
			if !strings.Contains(page, words) || !strings.Contains(print, words) {
				t.Errorf("%q is missing; on the page %v, in print %v", words, strings.Contains(page, words), strings.Contains(print, words))
			}
		}
		if strings.Contains(page, "<script") || strings.Contains(page, "src=\"http") {
			t.Error("the page is not self-contained")
		}
		if nothing := completed[reported](api, api.add("/api/v1/reports", signups("nobody")).StatusURL); !nothing.Empty {
			t.Errorf("a report about nobody: %+v", nothing)
		}
	})
}

func TestWhoRegisteredIsInAReportAboutTheDefaultTenant(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		api := w.api()
		w.worker()
		api.post("/register", ada, "Authorization", "").want(t, 201)
		w.expectVerification("ada@example.com")
		for reportType, label := range map[string]string{"signups": "Registrations", "email-delivery": "Sent", "usage": "Jobs finished"} {
			eventually(t, reportType+" has what happened", func() bool {
				made := completed[reported](api, api.add("/api/v1/reports", today(reportType, "default")).StatusURL)
				return !made.Empty && tiles(t, api.download(made.JSONURL), label)[label] >= 1
			})
		}
		if about := completed[reported](api, api.add("/api/v1/reports", today("signups", "acme")).StatusURL); !about.Empty {
			t.Errorf("another tenant's: %+v", about)
		}
	})
}

func TestTheDaysOfAReportAreThoseOfItsTenantsTimeZone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t), "REPORT_TIME_ZONE", "America/New_York", "REPORT_TIME_ZONES", "acme=Asia/Tokyo")
	api := w.api()
	w.worker()
	for tenant, start := range map[string]string{"acme": "2026-03-01T00:00:00+09:00", "other": "2026-03-01T00:00:00-05:00"} {
		made := completed[reported](api, api.add("/api/v1/reports", signups(tenant)).StatusURL)
		var document struct{ Range struct{ Start string } }
		if err := json.Unmarshal(api.download(made.JSONURL), &document); err != nil {
			t.Fatal(err)
		}
		if document.Range.Start != start {
			t.Errorf("the first of March of %s begins at %s, want %s", tenant, document.Range.Start, start)
		}
	}
}

// today asks for a report of the days around now.
func today(reportType, tenant string) string {
	now := time.Now().UTC()
	return fmt.Sprintf(`{"reportType":%q,"tenantId":%q,"dateRange":{"start":%q,"end":%q}}`,
		reportType, tenant, now.AddDate(0, 0, -1).Format(time.DateOnly), now.AddDate(0, 0, 2).Format(time.DateOnly))
}

// tiles are headline numbers of a report's file of numbers.
func tiles(t *testing.T, file []byte, labels ...string) map[string]float64 {
	t.Helper()
	var document struct {
		Tiles []struct {
			Label string
			Value json.RawMessage
		}
	}
	if err := json.Unmarshal(file, &document); err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, tile := range document.Tiles {
		for _, label := range labels {
			if tile.Label == label {
				found[label] = number(t, tile.Value)
			}
		}
	}
	return found
}

func number(t *testing.T, raw json.RawMessage) float64 {
	t.Helper()
	var n float64
	if err := json.Unmarshal(raw, &n); err != nil {
		t.Fatalf("%s is no number: %v", raw, err)
	}
	return n
}

func mailReport(reportJobID, options string) string {
	return `{"type":"email-report","payload":{"reportJobId":"` + reportJobID + `","to":"ada@example.com"},"options":` + options + `}`
}

func TestAReportIsMailedOnceItIsReadyWithoutUsingUpAttempts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.PostgresURL(t))
	api := w.api()
	w.worker()
	later := strings.TrimSuffix(signups("acme"), "}") + `,"options":{"delay":1500}}`
	made := api.add("/api/v1/reports", later)
	mailed := api.add("/api/v1/jobs", mailReport(made.JobID, `{"maxAttempts":1}`))
	eventually(t, "the mail waits for the report", func() bool { return api.job(mailed.StatusURL).Status == "delayed" })

	result := completed[reported](api, made.StatusURL)
	if j := api.finished(mailed.StatusURL); j.Status != "completed" || j.AttemptsMade != 1 {
		t.Errorf("the mail is %s after %d attempts: %s", j.Status, j.AttemptsMade, j.FailedReason)
	}
	mail := w.await(1)[0]
	if !strings.Contains(mail.Subject, result.Title+", 1 – 31 March 2026") || len(mail.Links) == 0 {
		t.Fatalf("mail %q with links %v", mail.Subject, mail.Links)
	}
	if page := string(api.download(mail.Links[0])); !strings.Contains(page, result.Title) {
		t.Errorf("the link leads to %.200s", page)
	}
}

func TestAReportMailFailsWithItsReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t), "STORAGE_URL", startS3(t, "")) // no bucket
	api := w.api()
	w.worker()
	failing := strings.TrimSuffix(signups("acme"), "}") + `,"options":{"maxAttempts":1}}`
	made := api.add("/api/v1/reports", failing)
	mailed := api.add("/api/v1/jobs", mailReport(made.JobID, `{"delay":200,"maxAttempts":5}`))

	cause := api.finished(made.StatusURL)
	if cause.Status != "failed" || cause.FailedReason == "" {
		t.Fatalf("the report is %s: %s", cause.Status, cause.FailedReason)
	}
	if j := api.finished(mailed.StatusURL); j.Status != "failed" || !strings.Contains(j.FailedReason, cause.FailedReason) {
		t.Errorf("the mail is %s: %s; the report failed with %s", j.Status, j.FailedReason, cause.FailedReason)
	}
	unknown := api.add("/api/v1/jobs", mailReport("no-such-report", `{}`))
	if j := api.finished(unknown.StatusURL); j.Status != "failed" || !strings.Contains(j.FailedReason, "no-such-report") {
		t.Errorf("a mail of a report that is not there is %s: %s", j.Status, j.FailedReason)
	}
	if mails := w.mails.Mails(); len(mails) != 0 {
		t.Errorf("%d mails went out", len(mails))
	}
}
