package origin_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/origin"
)

func carrier(t *testing.T, baggage string) string {
	t.Helper()
	text, err := json.Marshal(map[string]string{"traceparent": "00-1-2-01", "baggage": baggage})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, want := range []origin.Origin{
		{},
		{RequestID: "R1", Caller: "shop", TenantID: "acme", UserID: "u-1"},
		{TenantID: "a,b=c; ü %"},
	} {
		if diff := cmp.Diff(want, origin.Of(carrier(t, want.Baggage()))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestOfAJobThatCameAnotherWayNothingIsKnown(t *testing.T) {
	for _, trace := range []string{"", "00-1-2-01", "[]", `{"baggage":7}`, carrier(t, "other=1,tandem.tenant=%zz")} {
		if got := origin.Of(trace); got != (origin.Origin{}) {
			t.Errorf("%q: %+v", trace, got)
		}
	}
}

func TestAJobIsAboutTheTenantAndTheUserInItsPayload(t *testing.T) {
	for data, want := range map[string]origin.Subject{
		`{"tenantId":"acme","userId":"ada","query":{}}`:      {TenantID: "acme", UserID: "ada"},
		`{"tenantId":"acme","userId":"ada","allRows":false}`: {TenantID: "acme", UserID: "ada"},
		`{"tenantId":"acme","userId":"ada","allRows":true}`:  {TenantID: "acme"},
		`{"userId":"ada","allRows":true,"AllRows":true}`:     {},
		`{}`: {}, `[]`: {}, `"ada"`: {}, ``: {}, `{"userId":{}}`: {},
	} {
		if got := origin.About([]byte(data)); got != want {
			t.Errorf("%s: %+v, want %+v", data, got, want)
		}
	}
}
