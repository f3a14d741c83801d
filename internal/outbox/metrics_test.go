package outbox_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
)

func TestMetricsCountWhatBecomesOfEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		store, q := newTable("good", "fine", "bad", "odd"), &queue{}
		q.setFail(func(id string) error {
			return map[string]error{"bad": jobs.Invalid("name", "is bad"), "odd": errors.New("mishap")}[id]
		})
		running(t, store, q, outbox.Options{Metrics: outbox.NewMetrics(registry)})
		synctest.Wait()
		expect(t, registry, `
			# HELP tandem_outbox_given_up_total Entries that were refused for good.
			# TYPE tandem_outbox_given_up_total counter
			tandem_outbox_given_up_total 1
			# HELP tandem_outbox_put_off_total Attempts at an entry that failed although Redis answered.
			# TYPE tandem_outbox_put_off_total counter
			tandem_outbox_put_off_total 1
			# HELP tandem_outbox_sent_total Entries whose job was added to its queue.
			# TYPE tandem_outbox_sent_total counter
			tandem_outbox_sent_total 2
			`, "tandem_outbox_given_up_total", "tandem_outbox_put_off_total", "tandem_outbox_sent_total")
	})
}

func expect(t *testing.T, registry *prometheus.Registry, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(registry, strings.NewReader(strings.ReplaceAll(want, "\t", "")), names...); err != nil {
		t.Error(err)
	}
}

func TestTheBacklogIsShownAlsoWhenItCouldNotBeReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		reads := 0
		read := func(context.Context, time.Time) (outbox.Backlog, error) {
			if reads++; reads == 1 {
				return outbox.Backlog{}, errors.New("database away")
			}
			return outbox.Backlog{Waiting: 3, Oldest: 90 * time.Second, GivenUp: 1}, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		if err := outbox.NewMetrics(registry).Watch(ctx, 15*time.Second, read, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if reads != 3 {
			t.Errorf("read %d times in 40 seconds, want 3", reads)
		}
		expect(t, registry, `
			# HELP tandem_outbox_given_up Entries in the table that were refused for good.
			# TYPE tandem_outbox_given_up gauge
			tandem_outbox_given_up 1
			# HELP tandem_outbox_oldest_seconds Age of the oldest entry that waits.
			# TYPE tandem_outbox_oldest_seconds gauge
			tandem_outbox_oldest_seconds 90
			# HELP tandem_outbox_waiting Entries whose job is not in its queue yet.
			# TYPE tandem_outbox_waiting gauge
			tandem_outbox_waiting 3
			`, "tandem_outbox_given_up", "tandem_outbox_oldest_seconds", "tandem_outbox_waiting")
	})
}
