package email_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/email"
)

func sentAt(when time.Time) email.Record {
	return email.Record{
		ID: "job-1", TenantID: "acme", Template: "welcome", AddressHash: "h", AddressMasked: "a***@example.com",
		Subject: "s", Status: email.Sent, Attempts: 1, QueuedAt: when, CreatedAt: when, SentAt: when,
	}
}

func failedAt(when time.Time, attempt int) email.Record {
	r := sentAt(when)
	r.Status, r.Error, r.Attempts, r.SentAt = email.Failed, "451 later", attempt, time.Time{}
	return r
}

func TestLedgerKeepsTheStoryOfAJob(t *testing.T) {
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	second := func(r email.Record) email.Record { r.Attempts, r.QueuedAt = 2, noon; return r }
	created := func(r email.Record, at time.Time) email.Record { r.CreatedAt = at; return r }
	cases := map[string]struct {
		written []email.Record
		want    email.Record
	}{
		"one attempt":                        {[]email.Record{sentAt(noon)}, sentAt(noon)},
		"a failure after a failure":          {[]email.Record{failedAt(noon, 1), second(failedAt(minute(1), 2))}, created(failedAt(minute(1), 2), noon)},
		"a success after a failure":          {[]email.Record{failedAt(noon, 1), second(sentAt(minute(1)))}, created(second(sentAt(minute(1))), noon)},
		"a zombie's failure after a success": {[]email.Record{sentAt(noon), second(failedAt(minute(1), 2))}, sentAt(noon)},
		"a failure of whose age nobody knows": {[]email.Record{sentAt(noon), func() email.Record {
			r := failedAt(minute(600), 1)
			r.QueuedAt = time.Time{}
			return r
		}()}, sentAt(noon)},
		"the id again, hours later": {[]email.Record{sentAt(noon), failedAt(minute(600), 1)}, failedAt(minute(600), 1)},
		"the id again, and sent":    {[]email.Record{sentAt(noon), sentAt(minute(600))}, sentAt(minute(600))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ledger := email.NewLedger(openDB(t))
			for _, r := range c.written {
				if err := ledger.Record(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			got, found, err := ledger.Find(t.Context(), "job-1")
			if err != nil || !found {
				t.Fatalf("found %v, error %v", found, err)
			}
			c.want.QueuedAt = time.Time{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLedgerKnowsNothingOfOtherJobs(t *testing.T) {
	ledger := email.NewLedger(openDB(t))
	if err := ledger.Record(t.Context(), sentAt(noon)); err != nil {
		t.Fatal(err)
	}
	if _, found, err := ledger.Find(t.Context(), "job-2"); found || err != nil {
		t.Errorf("found %v, error %v", found, err)
	}
}

func TestHashOfAnAddressDependsOnTheKey(t *testing.T) {
	one, other := email.HashAddress(hashKey, "ada@example.com"), email.HashAddress([]byte("another key of tests"), "ada@example.com")
	if one == other || len(one) != 64 || one != email.HashAddress(hashKey, "Ada@Example.com") {
		t.Errorf("%s and %s", one, other)
	}
}
