package handlers_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/store"
)

// who may call what: the table that the routes are checked against. A route that
// is not here fails TestEveryRouteHasItsScope.
var scopes = map[string]handlers.Scope{
	"POST /register": "", "GET /verify": "", "POST /verify": "",
	"POST /api/v1/emails": handlers.WriteJobs, "POST /api/v1/exports": handlers.WriteJobs, "POST /api/v1/reports": handlers.WriteJobs,
	"POST /api/v1/jobs": handlers.WriteJobs, "POST /api/v1/jobs/bulk": handlers.WriteJobs,
	"GET /api/v1/jobs/{queue}/{id}": handlers.ReadJobs, "GET /api/v1/jobs/{queue}/{id}/events": handlers.ReadJobs,
	"GET /api/v1/artifacts/{id}/download": handlers.ReadJobs,
	"GET /api/v1/queues":                  handlers.ReadQueues, "GET /api/v1/queues/{queue}": handlers.ReadQueues, "GET /api/v1/queues/{queue}/jobs": handlers.ReadQueues,
	"GET /version": "", "GET /openapi.json": "", "GET /docs": "", "GET /docs/style.css": "",
	"GET /livez": "", "GET /healthz": "", "GET /readyz": "", "GET /health": "",
}

func TestEveryRouteHasItsScope(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withHealth)
	for _, route := range s.routes() {
		scope, known := scopes[route]
		if !known {
			t.Errorf("%s is in the API and not in the table of this test", route)
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		path = strings.NewReplacer("{queue}", "email", "{id}", "x").Replace(path)
		for key, has := range map[string][]handlers.Scope{writeKey: {handlers.WriteJobs}, readKey: {handlers.ReadJobs}} {
			a := s.do(method, path, "", "X-API-Key", key)
			if may := scope == "" || scope == has[0]; may == (a.status == 403) {
				t.Errorf("%s with %s: status %d", route, has[0], a.status)
			}
		}
		for _, header := range [][]string{{"X-API-Key", ""}, {"X-API-Key", "wrong-secret-0123456789"}, {"X-API-Key", "", "Authorization", "Basic " + fullKey}, {"Authorization", "Bearer " + readKey}} {
			a := s.do(method, path, "", header...)
			if (a.status == 401) != (scope != "") {
				t.Errorf("%s with %v: status %d", route, header, a.status)
			}
			if a.status == 401 && (a.problem(t, 401).Type != "/docs#unauthorized" || a.header.Get("WWW-Authenticate") == "") {
				t.Errorf("%s: %s", route, a.body)
			}
		}
		delete(scopes, route)
	}
	for route := range scopes {
		t.Errorf("%s is in the table of this test and not in the API", route)
	}
}

// routes are what the OpenAPI document lists, which TestTheDocumentIsTheRouter
// compares with the router.
func (s *service) routes() []string {
	s.t.Helper()
	document := decode[struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}](s.t, s.do("GET", "/openapi.json", ""))
	var all []string
	for path, methods := range document.Paths {
		for method := range methods {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}

func TestAKeyMayComeInEitherHeader(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for _, header := range [][]string{
		{"X-API-Key", fullKey}, {"X-API-Key", "", "Authorization", "Bearer " + fullKey}, {"X-API-Key", "", "Authorization", "bearer " + fullKey}, {"Authorization", "Bearer " + fullKey},
	} {
		s.do("GET", "/api/v1/queues", "", header...).want(t, 200)
	}
	if strings.Contains(s.logs.String(), fullKey) {
		t.Error("a key is in the logs")
	}
}

func TestABoundCallerSeesAndAddsTheirOwn(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	asTenant, asUser := []string{"X-API-Key", tenantKey}, []string{"X-API-Key", userKey}

	s.do("POST", "/api/v1/reports", with(goodReport, "acme", "evil"), asTenant...).problem(t, 403)
	s.do("POST", "/api/v1/exports", with(goodExport, `"ada"`, `"eve"`), asUser...).problem(t, 403)
	p := s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[{"data":{"type":"report","payload":`+with(goodReport, "acme", "evil")+`}}]}`, asTenant...).problem(t, 422)
	if fields(p) != "jobs[0].data" || s.stored() != 0 {
		t.Errorf("%+v, %d stored", p, s.stored())
	}

	mine := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail, asTenant...).want(t, 202))
	theirs := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	about := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	export := decode[handlers.Queued](t, s.do("POST", "/api/v1/exports", goodExport, asUser...).want(t, 202))
	s.do("GET", mine.StatusURL, "", asTenant...).want(t, 200)
	s.do("GET", about.StatusURL, "", asTenant...).want(t, 200)
	s.do("GET", export.StatusURL, "", asUser...).want(t, 200)
	s.do("GET", export.StatusURL, "", asTenant...).want(t, 200)
	for _, path := range []string{theirs.StatusURL, theirs.StatusURL + "?wait=1s", theirs.StatusURL + "/events"} {
		s.do("GET", path, "", asTenant...).problem(t, 404)
	}
	s.do("GET", mine.StatusURL, "", asUser...).problem(t, 404) // of the tenant, not of the user
	s.do("GET", "/api/v1/queues/email/jobs?status=waiting", "", asTenant...).problem(t, 403)

	job, _ := s.job("export", export.JobID)
	if got := string(job.Data); got != `{"format":"csv","query":{},"userId":"ada","tenantId":"acme"}` {
		t.Errorf("stored %s", got)
	}
}

func TestACallerOfNoTenantGetsNoTenantsReport(t *testing.T) {
	t.Parallel()
	const soloKey = "solo-secret-0123456789"
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.APIKeys = append(o.APIKeys, "solo:"+soloKey+":user=ada") })
	s.do("POST", "/api/v1/reports", goodReport, "X-API-Key", soloKey).problem(t, 403)
	s.do("POST", "/api/v1/jobs", `{"type":"report","payload":`+goodReport+`}`, "X-API-Key", soloKey).problem(t, 403)
	s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[{"data":{"type":"report","payload":`+goodReport+`}}]}`, "X-API-Key", soloKey).problem(t, 422)
	s.do("POST", "/api/v1/exports", goodExport, "X-API-Key", soloKey).want(t, 202)
	s.do("POST", "/api/v1/reports", goodReport, "X-API-Key", userKey).want(t, 202) // of acme
	if n := s.stored(); n != 2 {
		t.Errorf("%d stored", n)
	}
}

func TestAnExportOfAllRowsIsNotForTheUserItNames(t *testing.T) {
	t.Parallel()
	const chief, bob = "chief-secret-0123456789", "bob-secret-0123456789"
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.APIKeys = append(o.APIKeys, "chief:"+chief+":jobs:write+jobs:read+exports:all+tenant=acme",
			"bob:"+bob+":jobs:write+jobs:read+exports:all+tenant=acme+user=bob")
	})
	for _, asker := range []string{chief, bob} {
		queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/exports", goodExport, "X-API-Key", asker).want(t, 202))
		for _, path := range []string{queued.StatusURL, queued.StatusURL + "?wait=1s", queued.StatusURL + "/events"} {
			s.do("GET", path, "", "X-API-Key", userKey).problem(t, 404)
		}
		s.do("GET", queued.StatusURL, "", "X-API-Key", asker).want(t, 200)
		s.do("GET", queued.StatusURL, "", "X-API-Key", tenantKey).want(t, 200)
	}
	file := s.file("a1", func(a *store.Artifact) { a.OwnerID = "" }) // as the worker records one that nobody bound asked for
	s.do("GET", file, "", "X-API-Key", userKey).problem(t, 404)
	s.do("GET", file, "", "X-API-Key", chief).want(t, 200)
	s.do("GET", s.link(file, "", time.Hour), "", "X-API-Key", "").want(t, 200)
	s.do("GET", s.link(file, "ada", time.Hour), "", "X-API-Key", "").problem(t, 404)
}

func TestABoundCallerMailsTheirOwnReportsOnly(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	mine := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	theirs := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", with(goodReport, "acme", "evil")).want(t, 202))
	mail := func(id string) answer {
		return s.do("POST", "/api/v1/jobs", fmt.Sprintf(`{"type":"email-report","payload":{"reportJobId":%q,"to":"a@example.com"}}`, id), "X-API-Key", tenantKey)
	}
	mail(mine.JobID).want(t, 202)
	for _, id := range []string{theirs.JobID, "nothing"} {
		if p := mail(id).problem(t, 422); fields(p) != "payload.reportJobId" {
			t.Errorf("%+v", p)
		}
	}
}

func TestKeysAreReadOrRefused(t *testing.T) {
	t.Parallel()
	hash := sha256.Sum256([]byte("a-secret-of-some-length"))
	good := map[string]handlers.Caller{
		"billing:a-secret-of-some-length":                                  {Name: "billing", Scopes: []handlers.Scope{"jobs:write", "jobs:read", "queues:read"}},
		"billing:a-secret-of-some-length:jobs:read":                        {Name: "billing", Scopes: []handlers.Scope{"jobs:read"}},
		"b.1:a-secret-of-some-length:jobs:read|exports:all":                {Name: "b.1", Scopes: []handlers.Scope{"jobs:read", "exports:all"}},
		"b:sha256=" + hex.EncodeToString(hash[:]) + ":tenant=acme+user=u1": {Name: "b", Scopes: []handlers.Scope{"jobs:write", "jobs:read"}, TenantID: "acme", UserID: "u1"},
	}
	for text, want := range good {
		keys, err := handlers.ParseKeys([]string{text})
		if err != nil || len(keys) != 1 || fmt.Sprint(keys[0].Caller) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v", text, keys, err)
		}
	}
	for _, text := range []string{"", "a-secret-of-some-length", ":a-secret-of-some-length", "a b:a-secret-of-some-length", "x:short", "x:sha256=12",
		"x:a-secret-of-some-length:jobs:delete", "x:a-secret-of-some-length:queues:read+tenant=acme",
		"x:a-secret-of-some-length:tenant=", "x:a-secret-of-some-length:tenant", "x:a-secret-of-some-length:jobs:read+tenant=acme+user=",
		"x:a-secret-of-some-length:tenant=acme+tenant=other"} {
		if _, err := handlers.ParseKeys([]string{text}); err == nil {
			t.Errorf("%q is accepted", text)
		} else if strings.Contains(err.Error(), "a-secret-of-some-length") {
			t.Errorf("%q: the secret is in the error: %v", text, err)
		}
	}
	if _, err := handlers.ParseKeys([]string{"a:a-secret-of-some-length", "a:another-secret-of-length"}); err == nil {
		t.Error("two keys of one name are accepted")
	}
}

var tokenSecret = strings.Repeat("s", 32)

// withTokens accepts bearer tokens.
func withTokens(o *handlers.Options) {
	o.JWT = handlers.JWT{Key: tokenSecret, Issuer: "https://id.example", Audience: "tandem"}
}

// bearer is a token of ada, who may add and read jobs, with other claims.
func bearer(t *testing.T, change jwt.MapClaims) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": "ada", "iss": "https://id.example", "aud": "tandem", "exp": time.Now().Add(time.Hour).Unix(), "scope": "jobs:write jobs:read"}
	maps.Copy(claims, change)
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestBearerTokensAreCheckedWhole(t *testing.T) {
	t.Parallel()
	secret := tokenSecret
	s := start(t, redistest.Shared(t), withTokens)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "ada", "iss": "https://id.example", "aud": "tandem", "exp": time.Now().Add(time.Hour).Unix(), "scope": "openid jobs:read queues:read"}
		change(c)
		return c
	}
	sign := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	tests := []struct {
		name   string
		token  string
		status int
	}{
		{"good", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(jwt.MapClaims) {})), 200},
		{"without the scope", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["scope"] = "jobs:read" })), 403},
		{"bound, so without queues", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["tenant"] = "acme" })), 403},
		{"bound to an empty tenant", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["tenant"] = "" })), 401},
		{"bound to no tenant", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["tenant"] = nil })), 401},
		{"bound to an empty user", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["user"] = "" })), 401},
		{"bound to what is no name", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["user"] = []string{"u1"} })), 401},
		{"expired", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() })), 401},
		{"without an end", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { delete(c, "exp") })), 401},
		{"of another issuer", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["iss"] = "https://evil.example" })), 401},
		{"for another audience", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { c["aud"] = "other" })), 401},
		{"of nobody", sign(jwt.SigningMethodHS256, []byte(secret), claims(func(c jwt.MapClaims) { delete(c, "sub") })), 401},
		{"with another secret", sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), claims(func(jwt.MapClaims) {})), 401},
		{"with another method", sign(jwt.SigningMethodHS512, []byte(secret), claims(func(jwt.MapClaims) {})), 401},
		{"unsigned", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(func(jwt.MapClaims) {})), 401},
		{"no token", "a.b.c", 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s.do("GET", "/api/v1/queues", "", "X-API-Key", "", "Authorization", "Bearer "+test.token).want(t, test.status)
		})
	}
}

func TestAPublicKeyIsNeverTakenForASecret(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, ecErr := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, edKey, edErr := ed25519.GenerateKey(rand.Reader)
	if err != nil || ecErr != nil || edErr != nil {
		t.Fatal(err, ecErr, edErr)
	}
	tests := []struct {
		name        string
		public, key any
		method      jwt.SigningMethod
	}{
		{"RSA", &rsaKey.PublicKey, rsaKey, jwt.SigningMethodRS256}, {"EC", &ecKey.PublicKey, ecKey, jwt.SigningMethodES256},
		{"Ed25519", edPublic, edKey, jwt.SigningMethodEdDSA},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			der, err := x509.MarshalPKIXPublicKey(test.public)
			if err != nil {
				t.Fatal(err)
			}
			public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			s := start(t, redistest.Shared(t), func(o *handlers.Options) {
				o.JWT = handlers.JWT{Key: string(public), Issuer: "https://id.example", Audience: "tandem"}
			})
			claims := jwt.MapClaims{"sub": "ada@example.com", "iss": "https://id.example", "aud": "tandem", "exp": time.Now().Add(time.Hour).Unix(), "scope": "queues:read"}
			for _, signed := range []struct {
				method jwt.SigningMethod
				key    any
				status int
			}{{test.method, test.key, 200}, {jwt.SigningMethodHS256, public, 401}} {
				token, err := jwt.NewWithClaims(signed.method, claims).SignedString(signed.key)
				if err != nil {
					t.Fatal(err)
				}
				s.do("GET", "/api/v1/queues", "", "X-API-Key", "", "Authorization", "Bearer "+token).want(t, signed.status)
			}
			if strings.Contains(s.logs.String(), "ada@example.com") {
				t.Error("an address is in the logs")
			}
		})
	}
}

func TestAnOpenAPIIsForThisMachine(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.APIKeys, o.Open, o.PublicURL = nil, true, "https://tandem.example"
	})
	s.do("POST", "/api/v1/exports", goodExport, "X-API-Key", "").want(t, 202)
	for host, status := range map[string]int{"localhost:8080": 200, "127.0.0.1": 200, "[::1]:80": 200, "dev.localhost": 200, "tandem.example": 200, "evil.example": 403, "127.0.0.1.evil.example": 403} {
		if a := s.do("GET", "/api/v1/queues", "", "X-API-Key", "", "Host", host); a.status != status {
			t.Errorf("host %s: status %d", host, a.status)
		}
	}
}

func TestOpenAndKeysExcludeEachOther(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*handlers.Options){
		func(o *handlers.Options) { o.Open = true },
		func(o *handlers.Options) { o.APIKeys = nil },
		func(o *handlers.Options) { o.APIKeys = []string{"x"} },
		func(o *handlers.Options) { o.JWT.Key = "short" },
		func(o *handlers.Options) { o.Queues = nil },
		func(o *handlers.Options) { o.CORSOrigins = []string{"not an origin"} },
	} {
		s := start(t, redistest.Shared(t))
		o := s.options()
		change(&o)
		if _, err := handlers.New(o); err == nil {
			t.Error("options that contradict each other are accepted")
		}
	}
}
