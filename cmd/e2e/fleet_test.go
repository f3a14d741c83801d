package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestSeveralOfEachShareTheWorkAndSendEveryMailOnce(t *testing.T) {
	t.Parallel()
	const mails = 300
	w := newWorld(t, storetest.PostgresURL(t))
	apis := []*service{w.startAPI(w.port), w.anotherAPI()}
	workers := []*service{w.start("worker", nil), w.start("worker", nil)}
	for _, s := range append(apis, workers...) {
		w.ready(s)
	}
	migrated := 0
	for _, s := range append(apis, workers...) {
		migrated += strings.Count(s.stderr.String(), "database migrated")
	}
	if n := query[int](w, "SELECT COUNT(*) FROM schema_migrations"); migrated != n || n == 0 {
		t.Errorf("%d migrations were run %d times", n, migrated)
	}

	w.gate.hold()
	var jobs []queued
	for n := range mails {
		jobs = append(jobs, apis[n%2].add("/api/v1/emails", generic(fmt.Sprintf("reader-%d@example.com", n))))
	}
	w.gate.await(t, 10) // five from each worker
	w.gate.release()
	w.await(mails)
	for _, worker := range workers {
		worker.stop()
	}
	w.expectDone(apis[0], jobs)
	if n := len(w.mails.Mails()); n != mails {
		t.Errorf("%d mails, want %d", n, mails)
	}
	for table, statement := range map[string]string{
		"email_messages": "SELECT COUNT(*) FROM email_messages WHERE status = 'sent'",
		"job_runs":       "SELECT COUNT(*) FROM job_runs WHERE status = 'completed'",
	} {
		if n := query[int](w, statement); n != mails {
			t.Errorf("%d rows in %s, want %d", n, table, mails)
		}
	}
	if n := query[int](w, "SELECT COUNT(DISTINCT worker) FROM job_runs"); n != 2 {
		t.Errorf("%d workers worked", n)
	}
}
