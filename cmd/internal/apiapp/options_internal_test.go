package apiapp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/report"
)

func TestWhatIsSetAboutAccessReachesTheHandlers(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	set := map[string]string{
		"PUBLIC_URL": "https://tandem.example.com", "URL_SIGNING_KEY": secret,
		"API_KEYS": "ops:" + secret + ",app:" + secret, "JWT_KEY": secret, "JWT_ISSUER": "issuer", "JWT_AUDIENCE": "audience",
		"RATE_LIMIT": "7/2s", "TRUSTED_PROXIES": "10.0.0.0/8,192.0.2.1", "CORS_ORIGINS": "https://app.example.com",
		"BODY_LIMIT": "2048", "BULK_BODY_LIMIT": "4096",
	}
	c, err := config.LoadAPI(func(name string) (string, bool) { value, ok := set[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	o := (&App{config: c}).handlerOptions(nil, report.Catalogue{}, nil)
	got := []any{o.APIKeys, o.JWT, o.Open, o.RateLimit, o.TrustedProxies, o.CORSOrigins, o.PublicURL, o.BodyLimit, o.BulkBodyLimit}
	want := []any{
		[]string{"ops:" + secret, "app:" + secret},
		handlers.JWT{Key: secret, Issuer: "issuer", Audience: "audience"},
		false,
		handlers.Rate{Count: 7, Per: 2 * time.Second},
		[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
		[]string{"https://app.example.com"},
		"https://tandem.example.com",
		int64(2048), int64(4096),
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}
