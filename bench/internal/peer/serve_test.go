package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/bench/internal/work"
)

// said is the answers to orders, without what differs from run to run.
func said(t *testing.T, p Prepare, orders ...string) ([]work.Answer, error) {
	t.Helper()
	var out bytes.Buffer
	err := Serve(t.Context(), p, strings.NewReader(strings.Join(orders, "\n")), &out)
	var answers []work.Answer
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var a work.Answer
		if err := decoder.Decode(&a); err != nil {
			t.Fatal(err)
		}
		if a.Result != nil {
			if a.Result.CPUMicros < 0 || a.Result.RSSBytes < 1<<20 {
				t.Errorf("cost %+v", a.Result)
			}
			a.Result.CPUMicros, a.Result.RSSBytes = 0, 0
		}
		answers = append(answers, a)
	}
	return answers, err
}

func TestAWorkIsPreparedRunAndEnded(t *testing.T) {
	var steps []string
	prepare := func(_ context.Context, w work.Work) (Job, error) {
		steps = append(steps, "prepare "+string(w.Kind))
		return Job{
			Run: func(context.Context) (work.Result, error) {
				steps = append(steps, "run")
				return work.Result{Jobs: w.Jobs}, nil
			},
			End: func() error {
				steps = append(steps, "end")
				return nil
			},
		}, nil
	}
	got, err := said(t, prepare, `{"work":{"kind":"add","jobs":3}}`, `{"go":true}`, `{"end":true}`)
	want := []work.Answer{{Ready: true}, {Result: &work.Result{Jobs: 3}}, {Ended: true}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"prepare add", "run", "end"}, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestWhatGoesWrongIsSaid(t *testing.T) {
	failing := errors.New("no queue")
	tests := map[string]struct {
		prepare Prepare
		orders  []string
		want    string
	}{
		"an unknown work":   {Works(nil), []string{`{"work":{"kind":"dance"}}`}, "dance"},
		"go without a work": {Works(nil), []string{`{"go":true}`}, "cannot follow"},
		"a failing work": {func(context.Context, work.Work) (Job, error) { return Job{}, failing },
			[]string{`{"work":{"kind":"add"}}`}, "no queue"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := said(t, test.prepare, test.orders...)
			if err == nil || len(got) != 1 || !strings.Contains(got[0].Error, test.want) {
				t.Errorf("%v, answers %+v", err, got)
			}
		})
	}
}
