package handlers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
)

const fileText = "id,name\n1,Ada\n2,Grace\n"

// file stores a file with its artifact, and returns the path of its download.
func (s *service) file(id string, change ...func(*store.Artifact)) string {
	s.t.Helper()
	object, err := s.files.Put(s.t.Context(), "exports/"+id+".csv", strings.NewReader(fileText), storage.Meta{})
	if err != nil {
		s.t.Fatal(err)
	}
	a := store.Artifact{
		ID: id, Kind: "export", OwnerID: "ada", TenantID: "acme", StorageKey: "exports/" + id + ".csv", Filename: `Füße "2026".csv`,
		ContentType: "text/csv; charset=utf-8", Bytes: object.Bytes, SHA256: object.SHA256, JobID: "job-" + id,
		CreatedAt: s.clock(), ExpiresAt: s.clock().Add(time.Hour),
	}
	for _, one := range change {
		one(&a)
	}
	if err := store.NewArtifacts(s.db).Create(s.t.Context(), a); err != nil {
		s.t.Fatal(err)
	}
	return "/api/v1/artifacts/" + id + "/download"
}

// link signs a path for an owner.
func (s *service) link(path, owner string, lasts time.Duration) string {
	s.t.Helper()
	query, err := s.signer.Sign(storage.Grant{Path: path, Owner: owner, Expires: s.clock().Add(lasts)})
	if err != nil {
		s.t.Fatal(err)
	}
	return path + "?" + query.Encode()
}

func TestASignedLinkFetchesTheFile(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	path := s.file("a1")
	link := s.link(path, "ada", time.Hour)
	a := s.do("GET", link, "", "X-API-Key", "").want(t, 200)
	if a.body != fileText || a.header.Get("Content-Type") != "text/csv; charset=utf-8" || a.header.Get("Content-Length") == "" {
		t.Errorf("%q %v", a.body, a.header)
	}
	if got := s.audited(); got != "link artifact.download a1" {
		t.Errorf("audited %q", got)
	}
	disposition := a.header.Get("Content-Disposition")
	if !strings.HasPrefix(disposition, "attachment; filename*=utf-8''F%C3%BC%C3%9Fe") {
		t.Errorf("disposition %q", disposition)
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.Contains(policy, "sandbox") {
		t.Errorf("policy %q", policy)
	}
	if head := s.do("HEAD", link, "", "X-API-Key", "").want(t, 200); head.body != "" || head.header.Get("Content-Length") != a.header.Get("Content-Length") {
		t.Errorf("HEAD %v", head.header)
	}
	part := s.do("GET", link, "", "X-API-Key", "", "Range", "bytes=3-6").want(t, 206)
	if part.body != "name" || part.header.Get("Content-Range") != "bytes 3-6/22" {
		t.Errorf("part %q %v", part.body, part.header)
	}
	if p := s.do("GET", link, "", "Range", "bytes=900-").problem(t, 416); p.Type != "/docs#range" {
		t.Errorf("%+v", p)
	}
	etag := a.header.Get("ETag")
	s.do("GET", link, "", "If-None-Match", etag).want(t, 304)
	s.do("GET", link, "", "If-Match", `"other"`).problem(t, 412)
}

func TestEveryDownloadIsAudited(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	headers := [][]string{
		nil, {"Range", "bytes=0-"}, {"Range", "bytes=1-"}, {"Range", "bytes=-99999999999"}, {"Range", "bytes= 0-"},
		{"Range", "bytes=5-", "If-Range", `"another"`}, {"Range", "lines=1-"},
	}
	for i, header := range headers {
		id := fmt.Sprintf("a%d", i)
		s.do("GET", s.file(id), "", header...)
		if got := s.audited(); got != "full artifact.download "+id {
			t.Errorf("with %v: audited %q", header, got)
		}
		if s.do("HEAD", "/api/v1/artifacts/"+id+"/download", ""); s.audits() != i+1 {
			t.Errorf("%d entries after %d downloads", s.audits(), i+1)
		}
	}
}

// audits is how many entries the audit log has.
func (s *service) audits() int {
	s.t.Helper()
	entries, err := store.NewAudit(s.db).Latest(s.t.Context(), store.AuditEntry{}, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(entries)
}

// audited is the latest entry of the audit log.
func (s *service) audited() string {
	s.t.Helper()
	entries, err := store.NewAudit(s.db).Latest(s.t.Context(), store.AuditEntry{}, 1)
	if err != nil || len(entries) != 1 {
		s.t.Fatal(entries, err)
	}
	return entries[0].Actor + " " + entries[0].Action + " " + entries[0].Target
}

func TestALinkThatIsNotGoodFetchesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	path, other := s.file("a1"), s.file("a2")
	good := s.link(path, "ada", time.Hour)
	tests := map[string]struct {
		path   string
		status int
	}{
		"forged":               {with(good, "sig=", "sig=A"), 403},
		"for another file":     {with(good, path, other), 403},
		"longer than it lasts": {with(good, "expires=", "expires=9"), 403},
		"of another owner":     {s.link(path, "eve", time.Hour), 404},
		"expired":              {s.link(path, "ada", -time.Minute), 410},
		"of no file":           {s.link("/api/v1/artifacts/none/download", "ada", time.Hour), 404},
		"without a signature":  {path, 401},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { s.do("GET", test.path, "", "X-API-Key", "").problem(t, test.status) })
	}
}

func TestACallerFetchesWhatTheyMaySee(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	mine := s.file("a1")
	theirs := s.file("a2", func(a *store.Artifact) { a.OwnerID, a.TenantID = "eve", "evil" })
	fellow := s.file("a3", func(a *store.Artifact) { a.OwnerID = "bob" })
	for key, sees := range map[string]map[string]int{
		readKey: {mine: 200, theirs: 200, fellow: 200}, tenantKey: {mine: 200, theirs: 404, fellow: 200},
		userKey: {mine: 200, theirs: 404, fellow: 404}, writeKey: {mine: 403, theirs: 403, fellow: 403},
	} {
		for path, status := range sees {
			s.do("GET", path, "", "X-API-Key", key).want(t, status)
		}
	}
}

func TestAFileThatIsOverIsGone(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	deleted := s.file("a1", func(a *store.Artifact) { a.DeletedAt = s.clock() })
	if err := store.NewArtifacts(s.db).MarkDeleted(t.Context(), "a1", s.clock()); err != nil {
		t.Fatal(err)
	}
	expired := s.file("a2", func(a *store.Artifact) { a.ExpiresAt = s.clock().Add(-time.Minute) })
	lost := s.file("a3")
	if err := s.files.Delete(t.Context(), "exports/a3.csv"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{deleted, expired, lost} {
		if p := s.do("GET", path, "").problem(t, 410); p.Type != "/docs#gone" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	for _, id := range []string{"none", "..%2F..%2Fetc%2Fpasswd", "a%00b"} {
		s.do("GET", "/api/v1/artifacts/"+id+"/download", "").problem(t, 404)
	}
}
