package outbox_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
)

func TestOptionsAreStoredInTheWordsOfTheAPI(t *testing.T) {
	at := time.UnixMilli(1_772_366_400_000).UTC()
	tests := []struct {
		name    string
		options jobs.Options
		text    string
	}{
		{"none", jobs.Options{}, `{}`},
		{
			"all",
			jobs.Options{
				Priority: jobs.High, Attempts: 3, RunAt: at, Timeout: time.Minute, ExpiresAt: at, Trace: "{}",
				Backoff: jobs.Backoff{Type: jobs.Exponential, Delay: time.Second, MaxDelay: time.Minute, Jitter: 0.5},
			},
			`{"priority":10,"maxAttempts":3,"backoff":{"type":"exponential","delay":1000,"maxDelay":60000,"jitter":0.5},` +
				`"runAt":1772366400000,"timeout":60000,"expiresAt":1772366400000,"trace":"{}"}`,
		},
		{"delay", jobs.Options{Delay: time.Second, Priority: jobs.Unprioritized}, `{"priority":-1,"delay":1000}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, err := outbox.EncodeOptions(test.options)
			if diff := cmp.Diff(test.text, text); diff != "" || err != nil {
				t.Errorf("encoded: %v\n%s", err, diff)
			}
			options, err := outbox.DecodeOptions(test.text)
			if diff := cmp.Diff(test.options, options); diff != "" || err != nil {
				t.Errorf("decoded: %v\n%s", err, diff)
			}
		})
	}
}

func FuzzWhatDecodesEncodesBackToTheSame(f *testing.F) {
	f.Add(`{}`)
	f.Add(`{"priority":10,"maxAttempts":3,"backoff":{"type":"exponential","delay":1000}}`)
	f.Add(`{"delay":1e3}`)
	f.Add(`{"backoff":{"type":"","delay":0}}`)
	f.Add(`{"timeout":9223372036854775807}`)
	f.Fuzz(func(t *testing.T, text string) {
		options, err := outbox.DecodeOptions(text)
		if err != nil {
			return
		}
		encoded, err := outbox.EncodeOptions(options)
		if err != nil {
			t.Fatalf("%q decodes and does not encode: %v", text, err)
		}
		again, err := outbox.DecodeOptions(encoded)
		if diff := cmp.Diff(options, again); diff != "" || err != nil {
			t.Errorf("%q → %q: %v\n%s", text, encoded, err, diff)
		}
	})
}
