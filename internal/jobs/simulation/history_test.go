package simulation

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// inTurn makes a history of steps that follow one another.
func inTurn(steps ...move) history {
	var h history
	for i, s := range steps {
		if s.answer == "" {
			s.answer = yes
		}
		begin := time.Unix(int64(i), 0)
		h.span(s, begin, begin.Add(time.Second/2))
	}
	return h
}

// The steps of the histories below. a and b are the tokens of two attempts.
var (
	add       = move{what: adds}
	takeA     = move{what: takes, token: "a", started: 1}
	takeB     = move{what: takes, token: "b", started: 2}
	renewA    = move{what: renews, token: "a"}
	completeA = move{what: finishes, token: "a", place: done}
	completeB = move{what: finishes, token: "b", place: done}
	againA    = move{what: finishes, token: "a", place: waits}
	refusedA  = move{what: finishes, token: "a", answer: no}
	unheardA  = move{what: finishes, token: "a", answer: maybe}
	stalled   = move{what: stalls}
	retried   = move{what: retries}
	removed   = move{what: removes}
	finished  = move{what: isAtLast, place: done}
	gone      = move{what: isAtLast, place: absent}
	left      = move{what: isAtLast, place: waits}
)

func TestModelKnowsWhatCanHappenToAJob(t *testing.T) {
	tests := []struct {
		name string
		h    history
		want porcupine.CheckResult
	}{
		{"it completes", inTurn(add, takeA, renewA, completeA, finished), porcupine.Ok},
		{"it is tried again", inTurn(add, takeA, againA, takeB, completeB, finished), porcupine.Ok},
		{"its worker dies", inTurn(add, takeA, stalled, takeB, completeB, refusedA, finished), porcupine.Ok},
		{"nobody heard of its outcome, which counts", inTurn(add, takeA, unheardA, finished), porcupine.Ok},
		{"nobody heard of its outcome, which does not", inTurn(add, takeA, unheardA, stalled, takeB, completeB, finished), porcupine.Ok},
		{"it runs again by hand", inTurn(add, takeA, completeA, retried, takeB, completeB, finished), porcupine.Ok},
		{"it is removed", inTurn(add, removed, gone), porcupine.Ok},
		{"it was never added", inTurn(move{what: adds, answer: maybe}, gone), porcupine.Ok},

		{"it finishes twice", inTurn(add, takeA, completeA, completeA, finished), porcupine.Illegal},
		{"both of two attempts finish it", inTurn(add, takeA, stalled, takeB, completeA, completeB, finished), porcupine.Illegal},
		{"it is taken while another has it", inTurn(add, takeA, takeB, completeB, finished), porcupine.Illegal},
		{"it is taken when it is finished", inTurn(add, takeA, completeA, takeB, completeB, finished), porcupine.Illegal},
		{"it is taken before it is added", inTurn(takeA, add, completeA, finished), porcupine.Illegal},
		{"a lock that was lost is renewed", inTurn(add, takeA, stalled, takeB, renewA, completeB, finished), porcupine.Illegal},
		{"an attempt is refused what is its own", inTurn(add, takeA, refusedA, stalled, takeB, completeB, finished), porcupine.Illegal},
		{"it is taken back from nobody", inTurn(add, stalled, takeA, completeA, finished), porcupine.Illegal},
		{"an attempt is skipped", inTurn(add, takeB, completeB, finished), porcupine.Illegal},
		{"it runs again by hand before it is finished", inTurn(add, takeA, retried, completeA, finished), porcupine.Illegal},
		{"it is lost", inTurn(add, gone), porcupine.Illegal},
		{"it is lost when its worker dies", inTurn(add, takeA, stalled, gone), porcupine.Illegal},
		{"it is left", inTurn(add, takeA, completeA, left), porcupine.Illegal},
		{"it is added twice", inTurn(add, add, takeA, completeA, finished), porcupine.Illegal},
		{"it is there again after it was removed", inTurn(add, removed, finished), porcupine.Illegal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := possible(tt.h); got != tt.want {
				t.Errorf("the model says %s, wanted %s", got, tt.want)
			}
		})
	}
}

func TestStepsThatOverlapMayHaveHappenedInEitherOrder(t *testing.T) {
	begin := time.Unix(0, 0)
	moment := func(n int) time.Time { return begin.Add(time.Duration(n) * time.Second) }
	var h history
	h.span(move{what: takes, token: "a", started: 1, answer: yes}, moment(0), moment(3))
	h.span(move{what: adds, answer: yes}, moment(1), moment(2))
	h.span(move{what: finishes, token: "a", place: done, answer: yes}, moment(4), moment(5))
	if got := possible(h); got != porcupine.Ok {
		t.Errorf("a job that was taken before its producer heard of the add: %s", got)
	}
}
