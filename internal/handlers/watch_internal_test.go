package handlers

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
)

func TestASlowWatchIsToldThatItMissedEvents(t *testing.T) {
	t.Parallel()
	w := &watch{events: make(chan jobs.Event, 3)}
	for i := range 5 {
		w.offer(jobs.Event{ID: fmt.Sprint(i), Type: jobs.EventProgress, JobID: "j"})
	}
	var got []string
	for range 3 {
		e := <-w.events
		got = append(got, e.ID+string(e.Type))
	}
	if diff := cmp.Diff([]string{"2progress", "unsure", "unsure"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheRingRemembersTheLatestEvents(t *testing.T) {
	t.Parallel()
	var r ring
	if _, err := r.since("j", "1-0"); err == nil {
		t.Error("an empty ring remembers")
	}
	for i := range ringSize + 10 {
		r.add(jobs.Event{ID: fmt.Sprintf("%d-0", i), JobID: []string{"j", "k"}[i%2]})
	}
	if _, err := r.since("j", "9-0"); err == nil {
		t.Error("an event that was overwritten is remembered")
	}
	if later, err := r.since("j", "10-0"); err != nil || len(later) != ringSize/2-1 || later[0].ID != "12-0" {
		t.Errorf("%d events behind the oldest: %v", len(later), err)
	}
	if later, err := r.since("k", fmt.Sprintf("%d-0", ringSize+9)); err != nil || len(later) != 0 {
		t.Errorf("%d events behind the newest: %v", len(later), err)
	}
}

func TestIDsOfStreamEntriesAreCompared(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id, than string
		later    bool
	}{
		{"1-0", "", true}, {"2-0", "1-0", true}, {"1-0", "2-0", false}, {"1-1", "1-0", true}, {"1-0", "1-0", false},
		{"10-0", "9-0", true}, {"9-5", "10-0", false}, {"1-10", "1-9", true},
	} {
		if got := later(test.id, test.than); got != test.later {
			t.Errorf("later(%s, %s) is %t", test.id, test.than, got)
		}
	}
}
