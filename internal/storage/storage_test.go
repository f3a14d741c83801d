package storage_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/storage"
)

func TestAnS3URLIsPresignedForTheHostThatClientsUse(t *testing.T) {
	now := time.Now()
	store := open(t, "s3://KEY:SECRET@10.0.0.7:9000/files?tls=false&region=eu-central-1&public=https://files.example",
		storage.Options{Now: func() time.Time { return now }})
	address, err := store.SignedURL(t.Context(), storage.Link{Key: "exports/a.csv", Filename: "Umsätze.csv", Expires: now.Add(90 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := link.Query()
	got := []string{link.Scheme, link.Host, link.Path, query.Get("X-Amz-Expires"), query.Get("response-content-disposition")}
	want := []string{"https", "files.example", "/files/exports/a.csv", "5400", "attachment; filename*=utf-8''Ums%C3%A4tze.csv"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("URL (-want +got):\n%s", diff)
	}
	if query.Get("X-Amz-Signature") == "" || strings.Contains(address, "SECRET") {
		t.Errorf("not signed, or the secret shows: %s", address)
	}
}

func TestAPresignedURLDownloadsTheFile(t *testing.T) {
	store := openS3(t, startS3(t), "files")
	put(t, store, "exports/a.csv", "hello")
	address, err := store.SignedURL(t.Context(), storage.Link{Key: "exports/a.csv", Filename: "a.csv", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "hello" || answer.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("got %q as %q, %v", body, answer.Header.Get("Content-Type"), err)
	}
}

func TestAPresignedURLLivesSevenDaysAtMost(t *testing.T) {
	now := time.Now()
	store := open(t, "s3://KEY:SECRET@host/files", storage.Options{Now: func() time.Time { return now }})
	for _, life := range []time.Duration{0, -time.Hour, 7*24*time.Hour + time.Second} {
		if _, err := store.SignedURL(t.Context(), storage.Link{Key: "a", Expires: now.Add(life)}); err == nil {
			t.Errorf("signed for %s", life)
		}
	}
}

func TestLinksOutliveTemporaryCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "KEY")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
	o := storage.Options{Signer: signer(t, secret), PublicURL: "https://tandem.example/"}
	link := storage.Link{Key: "exports/a.csv", Path: "/api/v1/artifacts/a1/download", Owner: "ann", Expires: time.Now().Add(time.Hour)}
	for token, want := range map[string]string{"": "https://host/files/exports/a.csv?", "session": "https://tandem.example/api/v1/artifacts/a1/download?"} {
		t.Setenv("AWS_SESSION_TOKEN", token)
		address, err := open(t, "s3://host/files", o).SignedURL(t.Context(), link)
		if err != nil || !strings.HasPrefix(address, want) || strings.Contains(address, "session") {
			t.Errorf("with the token %q: %s, %v; want %s…", token, address, err, want)
		}
	}
	if _, err := storage.Open("s3://host/files", storage.Options{}); err == nil {
		t.Error("opened without a way to sign such links")
	}
}

func TestCheckNoticesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	fs := openFS(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, ".tmp")); err != nil {
		t.Fatal(err)
	}
	if err := fs.Check(t.Context()); err == nil {
		t.Error("a directory without room for temporary files is fine")
	}
	if err := openS3(t, startS3(t), "other").Check(t.Context()); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a missing bucket gives %v", err)
	}
}

func TestADirectoryLeavesNoTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	store := openFS(t, dir)
	put(t, store, "a/b", "x")
	_, err := store.Put(t.Context(), "a/b/c", strings.NewReader("a is a file's directory, b a file"), storage.Meta{})
	if err == nil {
		t.Error("a file became a directory")
	}
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	if err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestOpeningADirectoryRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".tmp"), 0o750); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": time.Hour} {
		file := filepath.Join(dir, ".tmp", name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	openFS(t, dir)
	entries, err := os.ReadDir(filepath.Join(dir, ".tmp"))
	if err != nil || len(entries) != 1 || entries[0].Name() != "young" {
		t.Errorf("left: %v, %v; want young alone", entries, err)
	}
}

func TestASymbolicLinkDoesNotLeadOut(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	store := openFS(t, dir)
	if err := os.Symlink(outside, filepath.Join(dir, "exports")); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "exports/a", strings.NewReader("x"), storage.Meta{}); err == nil {
		t.Error("wrote through a link")
	}
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("found outside: %v", entries)
	}
}

func TestOpenRefusesAURLWithoutShowingItsSecret(t *testing.T) {
	options := storage.Options{Signer: signer(t, secret), PublicURL: "https://tandem.example"}
	for _, tt := range []struct {
		name, address string
		options       storage.Options
	}{
		{"empty", "", options},
		{"other scheme", "ftp://KEY:hunter2@host/bucket", options},
		{"unreadable", "s3://KEY:hunter2@host:port/bucket", options},
		{"no bucket", "s3://KEY:hunter2@host", options},
		{"bucket with a path", "s3://KEY:hunter2@host/bucket/path", options},
		{"unknown setting", "s3://KEY:hunter2@host/bucket?colour=red", options},
		{"odd tls", "s3://KEY:hunter2@host/bucket?tls=maybe", options},
		{"public with a path", "s3://KEY:hunter2@host/bucket?public=https://a/b", options},
		{"file with a host", "file://data/files", options},
		{"file without a path", "file://", options},
		{"no signer", "file:///tmp/x", storage.Options{PublicURL: "https://tandem.example"}},
		{"no public URL", "file:///tmp/x", storage.Options{Signer: options.Signer}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := storage.Open(tt.address, tt.options)
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error = %v", err)
			}
		})
	}
	if got := storage.Redact("s3://KEY:hunter2@host/bucket?tls=false"); got != "s3://host/bucket?tls=false" {
		t.Errorf("Redact = %s", got)
	}
}
