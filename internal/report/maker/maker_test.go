package maker_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/build"
	"github.com/tandemq/tandem/internal/report/document"
	"github.com/tandemq/tandem/internal/report/maker"
	"github.com/tandemq/tandem/internal/report/render"
	"github.com/tandemq/tandem/internal/report/reporttest"
)

// shelf keeps files and their records in memory, and fails when told to.
type shelf struct {
	files   map[string][]byte
	records map[string]maker.Artifact
	fail    error
}

func newShelf() *shelf {
	return &shelf{files: make(map[string][]byte), records: make(map[string]maker.Artifact)}
}

func (s *shelf) Put(_ context.Context, key string, body io.Reader, _ string) error {
	if s.fail != nil {
		return s.fail
	}
	content, err := io.ReadAll(body)
	s.files[key] = content
	return err
}

func (s *shelf) SignedURL(_ context.Context, a maker.Artifact) (string, error) {
	return "https://files.example/" + a.ID + "?expires=" + fmt.Sprint(a.ExpiresAt.Unix()), nil
}

func (s *shelf) Save(_ context.Context, a maker.Artifact) error {
	s.records[a.ID] = a
	return nil
}

var now = time.Date(2026, 4, 7, 6, 0, 0, 0, time.UTC)

func newMaker(t testing.TB, s *shelf, change func(*maker.Options)) *maker.Maker {
	t.Helper()
	db := reporttest.Open(t)
	db.AddRun(reporttest.Run{Tenant: "acme", Queue: "email", Job: "welcome", Finished: time.Date(2026, 3, 5, 23, 30, 0, 0, time.UTC), Duration: time.Second})
	clock := func() time.Time { return now }
	b, err := build.New(build.Options{Service: db.Read, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	o := maker.Options{Builder: b, Renderer: plain{}, Storage: s, Artifacts: s, Now: clock}
	if change != nil {
		change(&o)
	}
	m, err := maker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// plain draws every format as the document's JSON, in no time.
type plain struct{ fail error }

func (p plain) HTML(doc document.Document) ([]byte, error) { return p.JSON(doc) }
func (p plain) PDF(doc document.Document) ([]byte, error)  { return p.JSON(doc) }

func (p plain) JSON(doc document.Document) ([]byte, error) {
	if p.fail != nil {
		return nil, p.fail
	}
	return json.Marshal(doc)
}

// drawn draws for real.
func drawn(t testing.TB) func(*maker.Options) {
	t.Helper()
	r, err := render.New()
	if err != nil {
		t.Fatal(err)
	}
	return func(o *maker.Options) { o.Renderer = r }
}

func request(change func(*maker.Request)) maker.Request {
	r := maker.Request{
		JobID: "0198c0de-aaaa-7bbb-8ccc-1234567890ab", Owner: "u1",
		Payload: report.Payload{ReportType: "usage", DateRange: report.DateRange{Start: "2026-03-01", End: "2026-04-01"}, TenantID: "acme"},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestARunStoresThreeFilesAndAnswersWithTheirLinks(t *testing.T) {
	s := newShelf()
	result, err := newMaker(t, s, drawn(t)).Run(t.Context(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	for ext, magic := range map[string]string{"html": "<!DOCTYPE html>", "pdf": "%PDF-", "json": "{"} {
		if key := keyOf(s, ext); !bytes.HasPrefix(s.files[key], []byte(magic)) {
			t.Errorf("the %s file begins with %.20q", ext, s.files[key])
		}
	}
	if len(s.files) != 3 || len(s.records) != 3 {
		t.Fatalf("%d files and %d records, want 3 of each", len(s.files), len(s.records))
	}
	var bytesStored int64
	for _, a := range s.records {
		body := s.files[a.StorageKey]
		sum := sha256.Sum256(body)
		if a.SHA256 != hex.EncodeToString(sum[:]) || a.Bytes != int64(len(body)) || a.Owner != "u1" || a.TenantID != "acme" {
			t.Errorf("record %+v does not describe its file", a)
		}
		bytesStored += a.Bytes
	}
	page := s.records[result.ArtifactID]
	if page.ContentType != "text/html; charset=utf-8" || page.Filename != "usage_2026-03-01_2026-03-31.html" {
		t.Errorf("the artifact is %+v, want the page", page)
	}
	if !strings.Contains(result.DownloadURL, page.ID) || result.PDFURL == "" || result.JSONURL == "" || result.Bytes != bytesStored {
		t.Errorf("result = %+v", result)
	}
	if want := now.Add(7 * 24 * time.Hour); !result.ExpiresAt.Equal(want) {
		t.Errorf("expires at %s, want %s", result.ExpiresAt, want)
	}
}

func keyOf(s *shelf, ext string) string {
	for key := range s.files {
		if strings.HasSuffix(key, "."+ext) {
			return key
		}
	}
	return ""
}

func TestTheResultFitsTheQueueAndNamesItsLinksAsTheContractSays(t *testing.T) {
	result, err := newMaker(t, newShelf(), nil).Run(t.Context(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > jobs.MaxReturn {
		t.Errorf("the result has %d bytes", len(body))
	}
	for _, key := range []string{"downloadUrl", "pdfUrl", "jsonUrl", "artifactId", "expiresAt", "title", "period"} {
		if !bytes.Contains(body, []byte(`"`+key+`"`)) {
			t.Errorf("the result has no %s: %s", key, body)
		}
	}
}

func TestASecondRunWritesOverTheFirst(t *testing.T) {
	s := newShelf()
	m := newMaker(t, s, nil)
	first, err := m.Run(t.Context(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	second, err := m.Run(t.Context(), request(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" || len(s.files) != 3 || len(s.records) != 3 {
		t.Errorf("%d files, %d records, results (-first +second):\n%s", len(s.files), len(s.records), diff)
	}
}

func TestKeysAreSafeWhateverTheJobIsCalled(t *testing.T) {
	safe := regexp.MustCompile(`^reports/[0-9a-f]{32}/report\.(html|pdf|json)$`)
	s := newShelf()
	m := newMaker(t, s, nil)
	for _, id := range []string{"../../etc/passwd", "a b?c#d", strings.Repeat("x", 256), "日本"} {
		if _, err := m.Run(t.Context(), request(func(r *maker.Request) { r.JobID = id })); err != nil {
			t.Fatal(err)
		}
	}
	// The same id for another tenant, or another owner, is another report.
	if _, err := m.Run(t.Context(), request(func(r *maker.Request) { r.JobID, r.Payload.TenantID = "日本", "globex" })); err != nil {
		t.Fatal(err)
	}
	if len(s.files) != 15 {
		t.Errorf("%d files, want 15", len(s.files))
	}
	for key := range s.files {
		if !safe.MatchString(key) {
			t.Errorf("key %q", key)
		}
	}
}

func TestProgressOnlyGrowsAndEndsAtAHundred(t *testing.T) {
	var percents []int
	_, err := newMaker(t, newShelf(), nil).Run(t.Context(), request(func(r *maker.Request) {
		r.Progress = func(_ context.Context, percent int, stage string) error {
			if len(percents) > 0 && percent <= percents[len(percents)-1] || stage == "" {
				t.Errorf("%d (%q) after %v", percent, stage, percents)
			}
			percents = append(percents, percent)
			return nil
		}
	}))
	if err != nil || percents[len(percents)-1] != 100 {
		t.Errorf("progress %v, error %v", percents, err)
	}
}

func TestLostProgressIsLoggedAndTheReportIsMade(t *testing.T) {
	var log bytes.Buffer
	m := newMaker(t, newShelf(), func(o *maker.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	_, err := m.Run(t.Context(), request(func(r *maker.Request) {
		r.Progress = func(context.Context, int, string) error { return errors.New("no connection") }
	}))
	if err != nil || !strings.Contains(log.String(), "no connection") {
		t.Errorf("error = %v, log = %q", err, log.String())
	}
}

func TestWhatFailsEveryTimeIsPermanentAndAnOutageIsNot(t *testing.T) {
	outage := errors.New("bucket is unavailable")
	tests := map[string]struct {
		request   func(*maker.Request)
		options   func(*maker.Options)
		store     error
		permanent bool
	}{
		"an unknown report":      {request: func(r *maker.Request) { r.Payload.ReportType = "payroll" }, permanent: true},
		"an impossible range":    {request: func(r *maker.Request) { r.Payload.DateRange.Start = "2026-02-30" }, permanent: true},
		"storage is down":        {store: outage},
		"a drawing fails":        {options: func(o *maker.Options) { o.Renderer = plain{errors.New("no font")} }, permanent: true},
		"the zone is not known":  {options: func(o *maker.Options) { o.Zones = failingZones(outage) }},
		"a day the zone skipped": {request: skippedDay, options: inApia(t), permanent: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			s.fail = tt.store
			_, err := newMaker(t, s, tt.options).Run(t.Context(), request(tt.request))
			if err == nil || jobs.IsUnrecoverable(err) != tt.permanent {
				t.Errorf("error = %v, permanent = %t, want %t", err, jobs.IsUnrecoverable(err), tt.permanent)
			}
			if len(s.files) != 0 {
				t.Errorf("%d files were left", len(s.files))
			}
		})
	}
}

func failingZones(err error) maker.Zones {
	return func(context.Context, string) (*time.Location, error) { return nil, err }
}

func skippedDay(r *maker.Request) {
	r.Payload.DateRange = report.DateRange{Start: "2011-12-30", End: "2011-12-31"}
}

func inApia(t *testing.T) func(*maker.Options) {
	t.Helper()
	apia, err := time.LoadLocation("Pacific/Apia")
	if err != nil {
		t.Fatal(err)
	}
	return func(o *maker.Options) {
		o.Zones = func(context.Context, string) (*time.Location, error) { return apia, nil }
	}
}

func TestACancelledRunStopsWithTheCauseAndStoresNothingMore(t *testing.T) {
	for _, stage := range []int{5, 50, 65, 80, 85} {
		s := newShelf()
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := newMaker(t, s, nil).Run(ctx, request(func(r *maker.Request) {
			r.Progress = func(_ context.Context, percent int, _ string) error {
				if percent == stage {
					cancel(jobs.ErrLockLost)
				}
				return nil
			}
		}))
		if !errors.Is(err, jobs.ErrLockLost) || jobs.IsUnrecoverable(err) || len(s.files) != 0 {
			t.Errorf("cancelled at %d: error = %v, %d files", stage, err, len(s.files))
		}
		cancel(nil)
	}
}

func TestDaysAreThoseOfTheTenantsZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf()
	m := newMaker(t, s, func(o *maker.Options) {
		o.Zones = func(context.Context, string) (*time.Location, error) { return berlin, nil }
	})
	// The job finished at 23:30 UTC on the 5th: on the 6th in Berlin.
	result, err := m.Run(t.Context(), request(func(r *maker.Request) {
		r.Payload.DateRange = report.DateRange{Start: "2026-03-06", End: "2026-03-07"}
	}))
	if err != nil || result.Empty {
		t.Errorf("empty = %t, error = %v", result.Empty, err)
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	if _, err := maker.New(maker.Options{}); err == nil {
		t.Error("a maker without anything was made")
	}
}
