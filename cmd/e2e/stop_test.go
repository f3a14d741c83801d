package e2e_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/store/storetest"
)

// holdMails adds n mails and returns once a worker is at all of them, held up by
// the mail server.
func (w *world) holdMails(api *service, n int) []queued {
	w.t.Helper()
	w.gate.hold()
	var all []queued
	for i := range n {
		all = append(all, api.add("/api/v1/emails", generic(fmt.Sprintf("reader-%d@example.com", i))))
	}
	w.gate.await(w.t, n)
	return all
}

// expectDone wants each job completed in one attempt, and its mail sent once.
func (w *world) expectDone(api *service, all []queued) {
	w.t.Helper()
	for _, q := range all {
		if j := api.finished(q.StatusURL); j.Status != "completed" || j.AttemptsMade != 1 {
			w.t.Errorf("job %s is %s after %d attempts: %s", j.ID, j.Status, j.AttemptsMade, j.FailedReason)
		}
	}
	sent := map[string]int{}
	for _, mail := range w.await(len(all)) {
		sent[mail.Header.Get("Message-Id")]++
	}
	for _, q := range all {
		if n := sent["<"+q.JobID+"@tandem.example>"]; n != 1 {
			w.t.Errorf("%d mails of job %s", n, q.JobID)
		}
	}
}

func TestAWorkerThatIsToldToStopFinishesItsJobsAndTakesNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.PostgresURL(t))
	api, worker := w.api(), w.worker()
	running := w.holdMails(api, 3)
	worker.signal(syscall.SIGTERM)
	eventually(t, "the worker says that it stops", func() bool { return status(worker.ops+"/readyz") == 503 })
	late := api.add("/api/v1/emails", generic("late@example.com"))
	if !worker.running() || status(worker.ops+"/livez") != 200 {
		t.Error("the worker did not wait for its jobs")
	}
	w.gate.release()
	if code := worker.code(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if j := api.job(late.StatusURL); j.Status != "waiting" {
		t.Errorf("the late job is %s", j.Status)
	}
	w.expectDone(api, running)
	if n := query[int](w, "SELECT COUNT(*) FROM job_runs WHERE status = 'completed'"); n != 3 {
		t.Errorf("%d attempts in the history", n)
	}
	w.worker()
	completed[map[string]any](api, late.StatusURL)
}

func TestJobsThatDoNotFinishInTimeAreHandedToAnotherWorkerAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.PostgresURL(t), "SHUTDOWN_TIMEOUT", "1s",
		"LOCK_DURATION", "10m") // so that nobody takes them back from the dead meanwhile
	api, first := w.api(), w.worker()
	running := w.holdMails(api, 3)
	first.stop()
	for _, q := range running {
		if j := api.job(q.StatusURL); j.Status != "waiting" || j.AttemptsMade != 0 || j.StalledCount != 0 {
			t.Errorf("job %s is %s after %d attempts", j.ID, j.Status, j.AttemptsMade)
		}
	}
	if n := query[int](w, "SELECT COUNT(*) FROM job_runs WHERE status = 'released'"); n != 3 {
		t.Errorf("%d handed back in the history", n)
	}
	w.gate.release()
	second := w.worker()
	w.expectDone(api, running)
	second.stop()
}

func TestAJobWhoseWorkerIsKilledRunsElsewhereSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api, first := w.api(), w.worker()
	running := w.holdMails(api, 1)
	w.worker()
	first.kill()
	died := time.Now()
	w.gate.release()
	w.expectDone(api, running)
	if took := time.Since(died); took > 15*time.Second {
		t.Errorf("%s after the death", took)
	}
	if j := api.job(running[0].StatusURL); j.StalledCount != 1 {
		t.Errorf("taken back %d times", j.StalledCount)
	}
}

func TestAnAPIThatIsToldToStopAnswersWhoeverWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api := w.api()
	q := api.add("/api/v1/emails", generic("ada@example.com"))
	streaming := make(chan event, 10)
	go func() {
		defer close(streaming)
		api.events(q.StatusURL, func(e event) { streaming <- e })
	}()
	<-streaming
	api.stop()
	for range streaming { // until the stream has ended
	}
	w.api() // on the same port
}
