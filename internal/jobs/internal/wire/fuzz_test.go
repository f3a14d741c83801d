package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// recorded are options as Node stores them, and some that nobody should.
var recorded = []string{
	`{"attempts":0}`,
	`{"kl":5,"jobId":"cust-1","removeOnComplete":{"age":3600,"count":100},"backoff":{"delay":1000,"type":"exponential"},"attempts":3}`,
	`{"fpof":true,"parent":{"id":"P","queue":"bull:fp"},"jobId":"c1","attempts":0}`,
	`{"repeat":{"every":2000,"count":2},"repeatJobKey":"ev","jobId":"repeat:ev:1795423163989","timestamp":1795423162081,"delay":1908,"attempts":0}`,
	`{"de":{"id":"X","keepLastIfActive":true},"attempts":0}`,
	`{"backoff":5,"removeOnFail":true,"removeOnComplete":false,"lifo":true,"priority":2097151}`,
	`{"timeout":1.2345678901235e+16,"expiresAt":1e15,"removeOnComplete":0,"removeOnFail":{"age":0.5,"limit":3}}`,
	`{"backoff":{"type":"linear","delay":1e300,"maxDelay":-1e300,"jitter":0.25},"removeOnFail":{"age":1e300,"count":-1e300}}`,
	`{"attempts":null,"tm":"{\"traceparent\":\"00-1-2-03\"}","x\/y":{},"":[]}`,
	`{"priority":-7,"delay":-5,"kl":-1,"stackTraceLimit":10,"sizeLimit":100}`,
	`[]`, `{"attempts":"3"}`, `{`, ``,
}

// What decodes encodes to a text that means the same, and then stays as it is.
func FuzzOptionsSurviveEncoding(f *testing.F) {
	for _, text := range recorded {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		options, err := wire.DecodeOptions(text)
		if err != nil {
			return
		}
		once, err := wire.EncodeOptions(options)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", text, err)
		}
		again, err := wire.DecodeOptions(once)
		if err != nil {
			t.Fatalf("%q became %q, which cannot be read: %v", text, once, err)
		}
		if options.Priority < 0 { // below 0 all are the same: no priority
			options.Priority = 0
		}
		if diff := cmp.Diff(options, again); diff != "" {
			t.Fatalf("%q became %q (-before +after):\n%s", text, once, diff)
		}
		twice, err := wire.EncodeOptions(again)
		if err != nil || string(twice) != string(once) {
			t.Fatalf("%q became %q, then %q: %v", text, once, twice, err)
		}
	})
}

// Whatever a hash holds, decoding gives a job that can be shown as JSON, and an
// error if something of it could not be read.
func FuzzJobsCanBeShown(f *testing.F) {
	for _, value := range append(recorded, "1795422459168", "-1", "9223372036854775807", "1e18", "0x1p-2", "NaN", "[\"a\"]", "\xff") {
		for _, field := range []string{"timestamp", "opts", "ats", "data", "delay", "stacktrace", "attemptsMade", "progress"} {
			f.Add(field, value, "name", "n")
		}
	}
	f.Fuzz(func(t *testing.T, field, value, other, second string) {
		job, err := wire.DecodeJob("q", "id", wire.Hash{field: value, other: second})
		if job == nil {
			t.Fatal("no job")
		}
		if _, broken := json.Marshal(job); broken != nil {
			t.Fatalf("%s=%q %s=%q: cannot be shown: %v (decoding said %v)", field, value, other, second, broken, err)
		}
		if err != nil && !strings.Contains(err.Error(), field) && !strings.Contains(err.Error(), other) {
			t.Fatalf("%s=%q: the error does not name the field: %v", field, value, err)
		}
	})
}

func FuzzEventsAreRead(f *testing.F) {
	f.Add("delayed", "delay", "1795422518661")
	f.Add("completed", "returnvalue", `{"res":true}`)
	f.Add("progress", "data", `{`)
	f.Add("retries-exhausted", "attemptsMade", "3")
	f.Add("delayed", "delay", "9223372036854775807")
	f.Fuzz(func(t *testing.T, event, field, value string) {
		fields := map[string]string{"event": event}
		fields[field] = value
		e := wire.DecodeEvent("5-1", fields)
		if string(e.Type) != fields["event"] || e.ID != "5-1" || e.Fields[field] != value {
			t.Fatalf("%+v", e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Fatalf("cannot be shown: %v", err)
		}
	})
}

func FuzzStacktracesSurviveEncoding(f *testing.F) {
	f.Add(`["Error: boom 0\n at x","second"]`)
	f.Add(`{}`)
	f.Add(`[1]`)
	f.Add(``)
	f.Fuzz(func(t *testing.T, text string) {
		traces := wire.DecodeStacktrace(text)
		again := wire.DecodeStacktrace(wire.EncodeStacktrace(traces))
		if len(traces) == 0 && len(again) == 0 {
			return
		}
		if diff := cmp.Diff(traces, again); diff != "" {
			t.Fatalf("%q (-before +after):\n%s", text, diff)
		}
	})
}

func FuzzKeysKeepToTheirQueue(f *testing.F) {
	f.Add("bull", "q", "1")
	f.Add("{bull}", "orders", "repeat:ev:5")
	f.Add("", "{x", "a}")
	f.Fuzz(func(t *testing.T, prefix, queue, id string) {
		keys := wire.NewKeys(prefix, queue)
		for _, key := range []string{keys.Meta(), keys.Wait(), keys.Job(id), keys.Logs(id), keys.Events()} {
			if !strings.HasPrefix(key, keys.Base()) {
				t.Errorf("%q is outside of %q", key, keys.Base())
			}
		}
		if strings.HasPrefix(keys.Private(), keys.Base()) && prefix != "tandem" && keys.Base() != "" {
			t.Errorf("private keys %q are among the queue's %q", keys.Private(), keys.Base())
		}
		if slotTag(keys.Private()+id) != slotTag(keys.Base()+id) && keys.HashTag() != "" {
			t.Errorf("%q and %q have different slots", keys.Private()+id, keys.Base()+id)
		}
		for _, r := range keys.ClientName("w " + id) {
			if r <= ' ' || r > '~' {
				if !strings.ContainsRune(prefix, r) { // the prefix is the operator's
					t.Errorf("client name %q has %q", keys.ClientName(id), r)
				}
			}
		}
	})
}

// slotTag is the part of a key that Redis hashes.
func slotTag(key string) string {
	_, rest, ok := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !ok || !closed || tag == "" {
		return key
	}
	return tag
}
