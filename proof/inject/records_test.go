package inject_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

func TestEveryDamageChangesWhatIsStored(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	client := server.Client(t)
	record := inject.Record{Prefix: "p", Queue: "q"}
	names := map[string]bool{}
	for _, damage := range inject.Damages() {
		names[damage.Name] = true
		must(t, client.Del(t.Context(), record.Key("job")).Err())
		must(t, client.HSet(t.Context(), record.Key("job"), whole()...).Err())
		before := client.Dump(t.Context(), record.Key("job")).Val()
		must(t, damage.Apply(t.Context(), client, record, "job"))
		if after := client.Dump(t.Context(), record.Key("job")).Val(); before == after {
			t.Errorf("%s changes nothing", damage.Name)
		}
	}
	if len(names) != len(inject.Damages()) || len(names) < 400 {
		t.Errorf("%d kinds of damage, %d names", len(inject.Damages()), len(names))
	}
}

// whole is a job that has every field that can be removed.
func whole() (hash []any) {
	for _, damage := range inject.Damages() {
		if field, ok := strings.CutPrefix(damage.Name, "no "); ok {
			hash = append(hash, field, "whole")
		}
	}
	return hash
}

func TestCorruptBreaksAWaitingJobAndTellsBefore(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	client := server.Client(t)
	record := inject.Record{Prefix: "p", Queue: "q"}
	told := map[string]string{}
	fault := inject.Corrupt(server, record, func(id, damage string) { told[id] = damage })
	must(t, fault.Do(t.Context(), chance()))
	if len(told) != 0 {
		t.Errorf("an empty queue was damaged: %v", told)
	}
	must(t, client.HSet(t.Context(), record.Key("job"), "name", "n", "data", "{}").Err())
	must(t, client.ZAdd(t.Context(), record.Key("prioritized"), redis.Z{Score: 1, Member: "job"}).Err())
	before := client.Dump(t.Context(), record.Key("job")).Val()
	must(t, many(10, fault).Do(t.Context(), chance()))
	if told["job"] == "" || client.Dump(t.Context(), record.Key("job")).Val() == before {
		t.Errorf("told %v, and the job is as it was", told)
	}
	must(t, inject.Strangers(t.Context(), client, record))
	if n := client.LLen(t.Context(), record.Key("wait")).Val(); n != 18 {
		t.Errorf("%d strangers wait, want 18", n)
	}
}
