package wire_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

func TestADecoderReadsAsTheFunctionDoes(t *testing.T) {
	var d wire.Decoder
	texts := []string{
		``, `{}`, `{"attempts":3}`, `{"attempts":3,"backoff":{"type":"fixed","delay":20}}`,
		`{"removeOnComplete":{"age":5,"count":2},"removeOnFail":7}`, `{"jobId":"a"}`, `{"tm":"trace"}`,
		`{"repeat":{"every":1}}`, `{"attempts":"three"}`, `nonsense`,
	}
	for round := range 2 { // the second finds what the first has read
		for _, text := range texts {
			h := wire.Hash{"name": "n", "opts": text, "timestamp": "5"}
			want, wantErr := wire.DecodeJob("q", "1", h)
			got, err := d.DecodeJob("q", "1", h)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("round %d, %s (-function +decoder):\n%s", round, text, diff)
			}
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Errorf("round %d, %s: error %v, want %v", round, text, err, wantErr)
			}
		}
	}
}

func TestDecodedOptionsAreTheJobsOwn(t *testing.T) {
	var d wire.Decoder
	h := wire.Hash{"opts": `{"removeOnComplete":3}`}
	for range 3 {
		job, err := d.DecodeJob("q", "1", h)
		if err != nil || job.Options.KeepCompleted.Count != 3 {
			t.Fatalf("options %+v, error %v", job.Options.KeepCompleted, err)
		}
		job.Options.KeepCompleted.Count = 99
	}
}

func TestADecoderForgetsRatherThanGrow(t *testing.T) {
	var d wire.Decoder
	for i := range 2_000 {
		job, err := d.DecodeJob("q", "1", wire.Hash{"opts": fmt.Sprintf(`{"attempts":%d}`, i)})
		if err != nil || job.Options.Attempts != i {
			t.Fatalf("attempts %d, want %d: %v", job.Options.Attempts, i, err)
		}
	}
}
