package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// exported is the result of an export.
type exported struct {
	DownloadURL, ArtifactID, SHA256, Format string
	ExpiresAt                               time.Time
	Rows, Bytes                             int64
}

// eachStorage runs a test with files in a directory and in an object store.
func eachStorage(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("fs on postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, storetest.PostgresURL(t)))
	})
	t.Run("s3 on sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, storetest.SQLiteURL(t), "STORAGE_URL", startS3(t, "files")))
	})
}

// person is a row of the table of users.
type person struct {
	ID, Name, Email, Status string
	CreatedAt               time.Time
}

// people are those of the tenant acme; one has a name that a spreadsheet would
// run, another one that needs quotes.
func people() []person {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return []person{
		{"u-1", "Ada Lovelace", "ada@example.com", "active", noon},
		{"u-2", "=SUM(A1:A9)", "sum@example.com", "pending", noon.Add(time.Hour)},
		{"u-3", `Jürgen "J", Groß`, "jg@example.com", "active", noon.AddDate(0, 0, 1)},
	}
}

func (w *world) addPeople() {
	w.t.Helper()
	add := func(p person, tenant string) {
		var verified any
		if p.Status == "active" {
			verified = p.CreatedAt.Add(time.Minute).UnixMilli()
		}
		w.exec("INSERT INTO users (id, tenant_id, name, email, password_hash, status, created_at, verified_at) VALUES ($1, $2, $3, $4, 'x', $5, $6, $7)",
			p.ID, tenant, p.Name, p.Email, p.Status, p.CreatedAt.UnixMilli(), verified)
	}
	for _, p := range people() {
		add(p, "acme")
	}
	add(person{"u-9", "Somebody Else", "else@example.com", "active", people()[0].CreatedAt}, "other")
}

// download fetches a file by a link that needs no key.
func (s *service) download(link string) []byte {
	s.t.Helper()
	return []byte(s.get(link, "Authorization", "").want(s.t, 200).body)
}

func TestExportsHoldTheRowsOfTheTenantAndNoOthers(t *testing.T) {
	t.Parallel()
	eachStorage(t, func(t *testing.T, w *world) {
		api := w.api()
		w.worker()
		w.addPeople()
		acme := api.as(tenantKey)
		for format, read := range map[string]func(*testing.T, []byte) [][]string{
			"csv": readCSV, "xlsx": readXLSX, "json": readJSON, "ndjson": readNDJSON, "pdf": readPDF,
		} {
			if format == "pdf" && pdftotext(t) == "" {
				t.Log("the pdf is not looked at: there is no pdftotext of poppler-utils")
				continue
			}
			body := `{"format":"` + format + `","userId":"u-1","query":{"dataset":"users","columns":["id","name","email","status","createdAt"]}}`
			q := api.add("/api/v1/exports", strings.Replace(body, `"u-1"`, `"anybody"`, 1))
			result := completed[exported](api, q.StatusURL)
			file := api.download(result.DownloadURL)
			if sum := sha256.Sum256(file); hex.EncodeToString(sum[:]) != result.SHA256 || int64(len(file)) != result.Bytes || result.Format != format {
				t.Errorf("%s: %d bytes do not fit %+v", format, len(file), result)
			}
			want := rowsOf(format, append(people(), person{"u-9", "Somebody Else", "else@example.com", "active", people()[0].CreatedAt}))
			if diff := cmp.Diff(want, read(t, file)); diff != "" || result.Rows != 4 {
				t.Errorf("%s of everybody, %d rows (-want +got):\n%s", format, result.Rows, diff)
			}
			own := completed[exported](acme, acme.add("/api/v1/exports", body).StatusURL)
			if diff := cmp.Diff(rowsOf(format, people()[:1]), read(t, acme.download(own.DownloadURL))); diff != "" || own.Rows != 1 {
				t.Errorf("%s of one user, %d rows (-want +got):\n%s", format, own.Rows, diff)
			}
		}
	})
}

// rowsOf are people as a file of a format shows them, in the order of the dataset.
func rowsOf(format string, all []person) [][]string {
	slices.SortStableFunc(all, func(a, b person) int { return a.CreatedAt.Compare(b.CreatedAt) })
	var rows [][]string
	for _, p := range all {
		name := p.Name
		if format == "csv" && strings.HasPrefix(name, "=") {
			name = "'" + name
		}
		rows = append(rows, []string{p.ID, name, p.Email, p.Status})
	}
	return rows
}

func readCSV(t *testing.T, file []byte) [][]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file, []byte("\ufeff")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return withoutTimes(t, rows)
}

func readXLSX(t *testing.T, file []byte) [][]string {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows(book.GetSheetName(0))
	if err != nil {
		t.Fatal(err)
	}
	if formula, err := book.GetCellFormula(book.GetSheetName(0), "B3"); err != nil || formula != "" {
		t.Errorf("a name became the formula %q, %v", formula, err)
	}
	return withoutTimes(t, rows)
}

// withoutTimes checks the heading and leaves out the last column.
func withoutTimes(t *testing.T, rows [][]string) [][]string {
	t.Helper()
	if diff := cmp.Diff([]string{"ID", "Name", "Email", "Status", "Created at"}, rows[0]); diff != "" {
		t.Errorf("heading (-want +got):\n%s", diff)
	}
	for i, row := range rows {
		rows[i] = row[:4]
	}
	return rows[1:]
}

type personJSON struct {
	ID, Name, Email, Status string
	CreatedAt               time.Time
}

func (p personJSON) row() []string { return []string{p.ID, p.Name, p.Email, p.Status} }

func readJSON(t *testing.T, file []byte) [][]string {
	t.Helper()
	var all []personJSON
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for _, p := range all {
		rows = append(rows, p.row())
	}
	return rows
}

func readNDJSON(t *testing.T, file []byte) [][]string {
	t.Helper()
	var rows [][]string
	for lines := json.NewDecoder(bytes.NewReader(file)); lines.More(); {
		var p personJSON
		if err := lines.Decode(&p); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, p.row())
	}
	return rows
}

// readPDF looks for the people that there are in the text of the pages.
func readPDF(t *testing.T, file []byte) [][]string {
	t.Helper()
	text := pdfText(t, file)
	var rows [][]string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "u-") {
			continue
		}
		at := slices.IndexFunc(fields, func(field string) bool { return strings.Contains(field, "@") })
		if at < 2 || at+1 >= len(fields) {
			t.Fatalf("line %q", line)
		}
		rows = append(rows, []string{fields[0], strings.Join(fields[1:at], " "), fields[at], fields[at+1]})
	}
	return rows
}

// pdfText is what a reader sees.
func pdfText(t *testing.T, file []byte) string {
	t.Helper()
	tool := pdftotext(t)
	if tool == "" {
		t.Skip("skipped, this reads pages with pdftotext of poppler-utils")
	}
	command := exec.CommandContext(t.Context(), tool, "-layout", "-", "-")
	command.Stdin = bytes.NewReader(file)
	text, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pdftotext is where the tool is; "" is nowhere, which in CI fails the test.
func pdftotext(t *testing.T) string {
	t.Helper()
	tool, err := exec.LookPath("pdftotext")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("pdftotext of poppler-utils is missing: %v", err)
	}
	return tool
}

func TestALinkWorksUntilItExpiresAndForNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api := w.api()
	w.worker()
	q := api.add("/api/v1/exports", `{"format":"csv","userId":"u-1","query":{"dataset":"job_runs"}}`)
	result := completed[exported](api, q.StatusURL)
	link, err := url.Parse(result.DownloadURL)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) string {
		changed, query := *link, link.Query()
		query.Set(name, value)
		changed.RawQuery = query.Encode()
		return changed.String()
	}
	signer, err := storage.NewSigner(signingKey)
	if err != nil {
		t.Fatal(err)
	}
	old, err := signer.Sign(storage.Grant{Path: link.Path, Owner: "u-1", Expires: time.Now().Add(-time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, link string
		status     int
	}{
		{"as it was made", link.String(), 200},
		{"for somebody else", with("owner", "u-2"), 403},
		{"for longer", with("expires", fmt.Sprint(time.Now().AddDate(1, 0, 0).Unix())), 403},
		{"with another signature", with("sig", "AAAA"), 403},
		{"to another file", strings.Replace(link.String(), result.ArtifactID, "another", 1), 403},
		{"that has expired", "http://" + link.Host + link.Path + "?" + old.Encode(), 410},
		{"without a signature or key", "http://" + link.Host + link.Path, 401},
	} {
		if a := api.get(test.link, "Authorization", ""); a.status != test.status {
			t.Errorf("a link %s: status %d, want %d: %s", test.name, a.status, test.status, a.body)
		}
	}
	if a := api.call(http.MethodDelete, link.String(), ""); a.status != 405 {
		t.Errorf("another method: %d", a.status)
	}
	w.exec("UPDATE artifacts SET expires_at = 1 WHERE id = $1", result.ArtifactID)
	api.get(link.Path).want(t, 410) // with a key, and too late
}
