package export_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/export/render"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// world is an exporter among real parts: SQLite, a directory, signed URLs.
type world struct {
	*export.Exporter
	db        *store.DB
	files     *files
	artifacts *artifacts
	catalogue *dataset.Catalogue
	temp      string
}

// files makes a storage what export asks for, and can be told to fail.
type files struct {
	storage.Store
	fail     error
	failSign error
	puts     atomic.Int64
}

func (f *files) Put(ctx context.Context, key string, r io.Reader, contentType string) (int64, string, error) {
	f.puts.Add(1)
	if f.fail != nil {
		return 0, "", f.fail
	}
	object, err := f.Store.Put(ctx, key, r, storage.Meta{ContentType: contentType})
	return object.Bytes, object.SHA256, err
}

func (f *files) Delete(ctx context.Context, key string) error {
	if f.fail != nil {
		return f.fail
	}
	return f.Store.Delete(ctx, key)
}

func (f *files) SignedURL(ctx context.Context, a export.Artifact) (string, error) {
	if f.failSign != nil {
		return "", f.failSign
	}
	return f.Store.SignedURL(ctx, storage.Link{
		Key: a.StorageKey, Path: "/api/v1/artifacts/" + a.ID + "/download", Filename: a.Filename, Owner: a.OwnerID, Expires: a.ExpiresAt,
	})
}

// artifacts makes the table what export asks for.
type artifacts struct {
	*store.Artifacts
	fail error
}

func (a *artifacts) Create(ctx context.Context, made export.Artifact) error {
	if a.fail != nil {
		return a.fail
	}
	return a.Artifacts.Create(ctx, store.Artifact(made))
}

func (a *artifacts) Expired(ctx context.Context, now time.Time, limit int) ([]export.Artifact, error) {
	found, err := a.Artifacts.Expired(ctx, now, limit)
	var expired []export.Artifact
	for _, f := range found {
		expired = append(expired, export.Artifact(f))
	}
	return expired, err
}

func newWorld(t testing.TB, o export.Options) *world {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	signer, err := storage.NewSigner(strings.Repeat("s", storage.MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := storage.OpenFS(t.TempDir(), storage.Options{Signer: signer, PublicURL: "https://tandem.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	w := &world{db: db, files: &files{Store: disk}, artifacts: &artifacts{Artifacts: store.NewArtifacts(db)}, temp: t.TempDir()}
	w.catalogue = catalogue(t)
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	o.TempDir = w.temp
	w.Exporter = export.New(w.catalogue, dataset.NewReader(db.Read, nil), render.Encoders(render.Options{TempDir: w.temp}), w.files, w.artifacts, o)
	execute(t, db.Write, `CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, note TEXT, amount REAL, placed BIGINT)`)
	return w
}

func catalogue(t testing.TB) *dataset.Catalogue {
	t.Helper()
	c, err := dataset.Parse(strings.NewReader(`
default: orders
datasets:
  - name: orders
    select: SELECT id, customer, note, amount, placed FROM orders
    tenant: none
    owner: customer
    order: [id]
    columns:
      - {name: id, type: integer, label: ID}
      - {name: note, type: text}
      - {name: amount, type: number}
      - {name: placed, type: timestamp, stored: ms}
  - name: wide
    select: SELECT 'u1' AS customer, printf('%040000d', 0) AS zeros, printf('%020000d', 0) AS half
    tenant: none
    owner: customer
    columns: [{name: zeros, type: text}, {name: half, type: text}]
  - name: odd
    select: SELECT 'u1' AS customer, 'not a number' AS amount
    tenant: none
    owner: customer
    columns: [{name: amount, type: number}]
`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func execute(t testing.TB, db *sql.DB, script string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), script, args...); err != nil {
		t.Fatal(err)
	}
}

// fill adds n orders of customer u1.
func (w *world) fill(t testing.TB, n int) {
	t.Helper()
	execute(t, w.db.Write, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO orders SELECT i, 'u1', 'order number ' || i, i * 1.5, 1795500000000 + i FROM n`, n)
}

func (w *world) stored(t testing.TB, id string) string {
	t.Helper()
	a, err := w.artifacts.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	file, _, err := w.files.Open(t.Context(), a.StorageKey)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (w *world) expectNothingLeftBehind(t testing.TB) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(w.temp, "*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v, %v", left, err)
	}
}

func request(format export.Format, query string) export.Request {
	return export.Request{JobID: "job-1", Owner: "u1", Payload: export.Payload{Format: format, Query: json.RawMessage(query), UserID: "u1"}}
}

func TestAnExportIsStoredRecordedAndCanBeDownloaded(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 3)
	result, err := w.Run(t.Context(), request(export.CSV, `{"columns":["id","note"],"where":{"id":{"gte":2}}}`))
	if err != nil {
		t.Fatal(err)
	}
	content := w.stored(t, result.ArtifactID)
	if want := "ID,Note\r\n2,order number 2\r\n3,order number 3\r\n"; content != want {
		t.Errorf("file = %q, want %q", content, want)
	}
	row, err := w.artifacts.Get(t.Context(), result.ArtifactID)
	if err != nil {
		t.Fatal(err)
	}
	wantRow := store.Artifact{
		ID: result.ArtifactID, Kind: "export", OwnerID: "u1", StorageKey: row.StorageKey, Filename: "orders-2026-11-24.csv",
		ContentType: "text/csv; charset=utf-8", Bytes: int64(len(content)), SHA256: result.SHA256, Rows: 2, JobID: "job-1",
		CreatedAt: noon, ExpiresAt: noon.Add(24 * time.Hour),
	}
	if diff := cmp.Diff(wantRow, row); diff != "" {
		t.Errorf("artifact (-want +got):\n%s", diff)
	}
	want := export.Result{
		DownloadURL: result.DownloadURL, ArtifactID: row.ID, ExpiresAt: row.ExpiresAt, Rows: 2, Bytes: row.Bytes, SHA256: row.SHA256, Format: export.CSV,
	}
	if diff := cmp.Diff(want, result); diff != "" || !strings.HasPrefix(result.DownloadURL, "https://tandem.example/api/v1/artifacts/"+row.ID+"/download?") {
		t.Errorf("result of %s (-want +got):\n%s", result.DownloadURL, diff)
	}
	w.expectNothingLeftBehind(t)
}

func TestEveryFormatCarriesTheSameRows(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 12)
	for _, f := range export.Formats() {
		t.Run(string(f), func(t *testing.T) {
			req := request(f, ``)
			req.JobID = "job-" + string(f)
			result, err := w.Run(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if result.Rows != 12 || result.Bytes != int64(len(w.stored(t, result.ArtifactID))) {
				t.Errorf("result = %+v", result)
			}
			w.expectNothingLeftBehind(t)
		})
	}
}

func TestARepeatedJobLeavesOneFileAndOneArtifact(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 1)
	first, err := w.Run(t.Context(), request(export.CSV, ``))
	if err != nil {
		t.Fatal(err)
	}
	before, err := w.artifacts.Get(t.Context(), first.ArtifactID)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, w.db.Write, `INSERT INTO orders VALUES (2, 'u1', 'late', 1, 0)`)
	second, err := w.Run(t.Context(), request(export.CSV, ``))
	if err != nil {
		t.Fatal(err)
	}
	after, err := w.artifacts.Get(t.Context(), second.ArtifactID)
	if err != nil {
		t.Fatal(err)
	}
	if first.ArtifactID != second.ArtifactID || before.StorageKey != after.StorageKey || after.Rows != 2 {
		t.Errorf("first %+v, then %+v", before, after)
	}
	other := request(export.CSV, ``)
	other.JobID = "job-2"
	if third, err := w.Run(t.Context(), other); err != nil || third.ArtifactID == first.ArtifactID {
		t.Errorf("another job: %+v, %v", third, err)
	}
}

func TestRowsOfOthersAreNotExported(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 2)
	execute(t, w.db.Write, `INSERT INTO orders VALUES (9, 'u2', 'theirs', 1, 0)`)
	own, err := w.Run(t.Context(), request(export.NDJSON, ``))
	if err != nil || own.Rows != 2 || strings.Contains(w.stored(t, own.ArtifactID), "theirs") {
		t.Errorf("own rows: %+v, %v", own, err)
	}
	req := export.NewRequest("job-all", "", export.Job{Payload: request(export.NDJSON, ``).Payload, AllRows: true}, nil)
	all, err := w.Run(t.Context(), req)
	if err != nil || all.Rows != 3 {
		t.Errorf("all rows: %+v, %v", all, err)
	}
	if row, err := w.artifacts.Get(t.Context(), all.ArtifactID); err != nil || row.OwnerID != "" {
		t.Errorf("all rows are the file of %q, %v", row.OwnerID, err)
	}
}

func TestAJobIDThatOthersUsedBeforeLeavesTheirFileAlone(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 1)
	execute(t, w.db.Write, `INSERT INTO orders VALUES (7, 'u2', 'of u2', 1, 0)`)
	job := func(format export.Format, tenant, user string, allRows bool) export.Request {
		p := export.Payload{Format: format, UserID: user}
		return export.NewRequest("nightly", user, export.Job{Payload: p, TenantID: tenant, AllRows: allRows}, nil)
	}
	first, err := w.Run(t.Context(), job(export.CSV, "acme", "u1", false))
	if err != nil {
		t.Fatal(err)
	}
	before := w.stored(t, first.ArtifactID)
	ids := []string{first.ArtifactID}
	for name, other := range map[string]export.Request{
		"of another tenant":     job(export.CSV, "evil", "u1", false),
		"of another user":       job(export.CSV, "acme", "u2", false),
		"with everybody's rows": job(export.CSV, "acme", "u1", true),
		"in another format":     job(export.NDJSON, "acme", "u1", false),
	} {
		result, err := w.Run(t.Context(), other)
		if err != nil || slices.Contains(ids, result.ArtifactID) {
			t.Errorf("the same id %s: %+v, %v; want a file of its own", name, result, err)
			continue
		}
		if ids = append(ids, result.ArtifactID); w.stored(t, first.ArtifactID) != before {
			t.Fatalf("the same id %s changed the first file", name)
		}
	}
}

func TestProgressCountsRowsUpToTheEnd(t *testing.T) {
	w := newWorld(t, export.Options{ProgressEvery: 4})
	w.fill(t, 10)
	var got []export.Progress
	req := request(export.CSV, ``)
	req.Progress = func(_ context.Context, p export.Progress) error {
		got = append(got, p)
		return errors.New("progress does not matter enough to fail")
	}
	if _, err := w.Run(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	want := []export.Progress{
		{Stage: export.StageRows, Total: 10},
		{Stage: export.StageRows, Rows: 4, Total: 10, Percent: 36},
		{Stage: export.StageRows, Rows: 8, Total: 10, Percent: 72},
		{Stage: export.StageStore, Rows: 10, Total: 10, Percent: 90},
		{Stage: export.StageDone, Rows: 10, Total: 10, Percent: 100},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestACancelledExportStopsAndSaysWhy(t *testing.T) {
	w := newWorld(t, export.Options{ProgressEvery: 10})
	w.fill(t, 1000)
	ctx, cancel := context.WithCancelCause(t.Context())
	req := request(export.XLSX, ``)
	var last export.Progress
	req.Progress = func(_ context.Context, p export.Progress) error {
		if last = p; p.Rows == 10 {
			cancel(jobs.ErrShutdown)
		}
		return nil
	}
	_, err := w.Run(ctx, req)
	if !errors.Is(err, jobs.ErrShutdown) || jobs.IsUnrecoverable(err) {
		t.Errorf("error = %v, want a retryable ErrShutdown", err)
	}
	if last.Rows != 10 || w.files.puts.Load() != 0 {
		t.Errorf("went on to %+v, and %d files", last, w.files.puts.Load())
	}
	w.expectNothingLeftBehind(t)
}

func TestErrorsSayWhetherARetryCanHelp(t *testing.T) {
	broken := errors.New("connection refused")
	for _, tt := range []struct {
		name      string
		o         export.Options
		req       export.Request
		prepare   func(t *testing.T, w *world)
		want      string
		permanent bool
	}{
		{name: "bad query", req: request(export.CSV, `{"colour":1}`), want: "query.colour", permanent: true},
		{name: "bad format", req: request("xml", ``), want: "format: must be one of csv, xlsx, pdf, json, ndjson", permanent: true},
		{name: "too many rows for a PDF", o: export.Options{MaxPDFRows: 2}, req: request(export.PDF, ``),
			want: "the query selects 3 rows and a pdf file takes 2; narrow it with where or limit", permanent: true},
		{name: "too large a file", o: export.Options{MaxBytes: 20}, req: request(export.CSV, ``), want: "narrow the query", permanent: true},
		{name: "too large an archive", o: export.Options{MaxBytes: 20}, req: request(export.XLSX, ``), want: "narrow the query", permanent: true},
		{name: "too large a sheet, which would have packed well", o: export.Options{MaxBytes: 20 << 10}, req: request(export.XLSX, `{"dataset":"wide","columns":["half"]}`),
			want: "narrow the query", permanent: true},
		{name: "a text that no cell takes", req: request(export.XLSX, `{"dataset":"wide"}`),
			want: "choose csv, json or ndjson", permanent: true},
		{name: "a dataset that is described wrongly", req: request(export.CSV, `{"dataset":"odd"}`), want: "not of the declared type", permanent: true},
		{name: "a storage that does not answer", req: request(export.CSV, ``), want: "connection refused",
			prepare: func(_ *testing.T, w *world) { w.files.fail = broken }},
		{name: "links that cannot be signed", req: request(export.CSV, ``), want: "connection refused",
			prepare: func(_ *testing.T, w *world) { w.files.failSign = broken }},
		{name: "a table that cannot be written", req: request(export.CSV, ``), want: "connection refused",
			prepare: func(_ *testing.T, w *world) { w.artifacts.fail = broken }},
		{name: "a database that is gone", req: request(export.CSV, ``), want: "closed",
			prepare: func(_ *testing.T, w *world) { _ = w.db.Close() }},
		{name: "a table that is gone", req: request(export.CSV, ``), want: "no such table",
			prepare: func(t *testing.T, w *world) { execute(t, w.db.Write, "DROP TABLE orders") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.o)
			w.fill(t, 3)
			if tt.prepare != nil {
				tt.prepare(t, w)
			}
			result, err := w.Run(t.Context(), tt.req)
			if err == nil || !strings.Contains(err.Error(), tt.want) || result != (export.Result{}) {
				t.Fatalf("Run = %+v, %v; want …%s…", result, err, tt.want)
			}
			if jobs.IsUnrecoverable(err) != tt.permanent {
				t.Errorf("unrecoverable = %t, want %t: %v", !tt.permanent, tt.permanent, err)
			}
			w.expectNothingLeftBehind(t)
		})
	}
}

func TestAValueThatThePostgreSQLColumnCannotHoldFailsAtOnce(t *testing.T) {
	w := newWorld(t, export.Options{})
	db := storetest.Postgres(t)
	execute(t, db.Write, "CREATE TABLE orders (id BIGINT, customer BIGINT, note TEXT, amount INTEGER, placed BIGINT)")
	postgres := export.New(w.catalogue, dataset.NewReader(db.Read, nil), render.Encoders(render.Options{}), w.files, w.artifacts, export.Options{TempDir: w.temp})
	if _, err := postgres.Run(t.Context(), request(export.CSV, ``)); !jobs.IsUnrecoverable(err) {
		t.Errorf("the owner u1 of a column of numbers: %v", err)
	}
	w.expectNothingLeftBehind(t)
}

func TestAPDFTakesExactlyItsLimit(t *testing.T) {
	w := newWorld(t, export.Options{MaxPDFRows: 3})
	w.fill(t, 3)
	if _, err := w.Run(t.Context(), request(export.PDF, ``)); err != nil {
		t.Errorf("three rows of three: %v", err)
	}
	execute(t, w.db.Write, `INSERT INTO orders VALUES (4, 'u1', 'one more', 1, 0)`)
	if _, err := w.Run(t.Context(), request(export.PDF, `{"limit":3}`)); err != nil {
		t.Errorf("limited to three: %v", err)
	}
	if _, err := w.Run(t.Context(), request(export.PDF, ``)); !errors.Is(err, export.ErrTooManyRows) {
		t.Errorf("four rows of three: %v", err)
	}
}

func TestValidateAnswersBeforeAnythingIsQueued(t *testing.T) {
	c := catalogue(t)
	good := export.Job{Payload: request(export.CSV, `{"note":"x"}`).Payload}
	if err := export.Validate(good, c); err != nil {
		t.Errorf("a good payload: %v", err)
	}
	for _, tt := range []struct {
		field  string
		change func(*export.Job)
	}{
		{"format", func(j *export.Job) { j.Format = "doc" }},
		{"format", func(j *export.Job) { j.Format = "" }},
		{"userId", func(j *export.Job) { j.UserID = "" }},
		{"userId", func(j *export.Job) { j.UserID = strings.Repeat("x", 300) }},
		{"userId", func(j *export.Job) { j.UserID = "a\x00b" }},
		{"query.where.amount", func(j *export.Job) { j.Query = json.RawMessage(`{"where":{"amount":"much"}}`) }},
		{"query.dataset", func(j *export.Job) { j.Query = json.RawMessage(`{"dataset":"email_messages"}`) }},
	} {
		job := good
		tt.change(&job)
		err := export.Validate(job, c)
		if invalid, ok := errors.AsType[*jobs.ValidationError](err); !ok || invalid.Field != tt.field {
			t.Errorf("%v, want %s refused", err, tt.field)
		}
	}
	all := export.Job{Payload: export.Payload{Format: export.CSV, Query: json.RawMessage(`{"dataset":"email_messages"}`), UserID: "u1"}, AllRows: true}
	if err := export.Validate(all, c); err != nil {
		t.Errorf("with exports:all: %v", err)
	}
}

func TestAJobTravelsAsThePayloadThatClientsKnow(t *testing.T) {
	text, err := json.Marshal(export.Job{Payload: request(export.PDF, `{"limit":1}`).Payload, TenantID: "t1"})
	if err != nil || string(text) != `{"format":"pdf","query":{"limit":1},"userId":"u1","tenantId":"t1"}` {
		t.Errorf("job = %s, %v", text, err)
	}
}

func TestSweepRemovesExpiredFilesAndKeepsTheirRows(t *testing.T) {
	w := newWorld(t, export.Options{Lifetime: time.Hour})
	w.fill(t, 1)
	old, err := w.Run(t.Context(), request(export.CSV, ``))
	if err != nil {
		t.Fatal(err)
	}
	sweeper := export.NewSweeper(w.files, w.artifacts, time.Minute)
	sweep := func(now time.Time) (int, bool, error) {
		removed, more, err := sweeper.Sweep(t.Context(), now)
		return removed, more, err
	}
	if n, more, err := sweep(old.ExpiresAt.Add(time.Minute - time.Second)); n != 0 || more || err != nil {
		t.Errorf("within the grace: %d, %t, %v", n, more, err)
	}
	w.files.fail = errors.New("connection refused")
	if n, _, err := sweep(old.ExpiresAt.Add(time.Minute)); n != 0 || err == nil {
		t.Errorf("with a broken storage: %d, %v", n, err)
	}
	w.files.fail = nil
	at := old.ExpiresAt.Add(time.Minute)
	if n, more, err := sweep(at); n != 1 || more || err != nil {
		t.Errorf("after the grace: %d, %t, %v", n, more, err)
	}
	row, err := w.artifacts.Get(t.Context(), old.ArtifactID)
	if err != nil || !row.DeletedAt.Equal(at) {
		t.Errorf("row = %+v, %v", row, err)
	}
	if _, _, err := w.files.Open(t.Context(), row.StorageKey); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("file: %v, want ErrNotFound", err)
	}
	if n, _, err := sweep(at.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v", n, err)
	}
}

func TestAFileWhoseLinkFailedIsSweptLikeAnyOther(t *testing.T) {
	w := newWorld(t, export.Options{Lifetime: time.Hour})
	w.fill(t, 1)
	w.files.failSign = errors.New("connection refused")
	if _, err := w.Run(t.Context(), request(export.CSV, ``)); !errors.Is(err, w.files.failSign) {
		t.Fatal(err)
	}
	sweeper := export.NewSweeper(w.files, w.artifacts, time.Minute)
	if n, _, err := sweeper.Sweep(t.Context(), noon.Add(2*time.Hour)); n != 1 || err != nil {
		t.Errorf("%d files removed, %v; want the one without a link", n, err)
	}
}

func TestExportsRunSideBySide(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 200)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			req := request(export.Formats()[i%5], ``)
			req.JobID = fmt.Sprint("job-", i)
			if result, err := w.Run(t.Context(), req); err != nil || result.Rows != 200 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
	group.Wait()
	w.expectNothingLeftBehind(t)
}

func TestAThousandAndMoreRowsComeInOrder(t *testing.T) {
	w := newWorld(t, export.Options{})
	w.fill(t, 3000)
	result, err := w.Run(t.Context(), request(export.CSV, `{"columns":["id"],"orderBy":["-id"]}`))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(bytes.NewReader([]byte(w.stored(t, result.ArtifactID)))).ReadAll()
	if err != nil || len(records) != 3001 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if !slices.IsSortedFunc(records[1:], func(a, b []string) int { return len(b[0]) - len(a[0]) }) || records[3000][0] != "1" {
		t.Error("not in descending order")
	}
}
