package inject

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
)

// Record is where a queue keeps things.
type Record struct{ Prefix, Queue string }

// Key is one of the queue's keys: "wait", or a job's id.
func (r Record) Key(name string) string { return r.Prefix + ":" + r.Queue + ":" + name }

// Damage is one way in which a stored job can be broken.
type Damage struct {
	Name string
	// NoRecord: nothing is left of the job that could end.
	NoRecord bool
	Apply    func(ctx context.Context, client redis.UniversalClient, record Record, id string) error
}

// garbage is what a broken client, or a hand, might store in any field.
func garbage() []string {
	return []string{
		"", "x", "null", "-1", "1.5", "1e999", "nan", "-inf", "0x10", "99999999999999999999",
		"{}", "[]", "[[]]", `{"a"`, `"text"`, "\xff\x00", `{"delay":"x","attempts":{}}`, "Q:a", "a:b:c",
	}
}

// fields are all that a job's hash can have.
func fields() []string {
	return []string{
		"name", "data", "opts", "timestamp", "delay", "priority", "parentKey", "parent", "rjk", "deid", "progress",
		"processedOn", "pb", "ats", "atm", "stc", "defa", "returnvalue", "failedReason", "stacktrace", "finishedOn",
		"attemptsMade", "tm",
	}
}

// Damages are every kind of garbage in every field, every field that is missing,
// and hashes that are gone or are something else.
func Damages() []Damage {
	var all []Damage
	for _, field := range fields() {
		for _, value := range garbage() {
			all = append(all, stored(field, value))
		}
		all = append(all, removed(field))
	}
	return append(all, gone(), otherType())
}

func stored(field, value string) Damage {
	return Damage{Name: fmt.Sprintf("%s = %q", field, value), Apply: func(ctx context.Context, client redis.UniversalClient, record Record, id string) error {
		return client.HSet(ctx, record.Key(id), field, value).Err()
	}}
}

func removed(field string) Damage {
	return Damage{Name: "no " + field, Apply: func(ctx context.Context, client redis.UniversalClient, record Record, id string) error {
		return client.HDel(ctx, record.Key(id), field).Err()
	}}
}

func gone() Damage {
	return Damage{Name: "no hash", NoRecord: true, Apply: func(ctx context.Context, client redis.UniversalClient, record Record, id string) error {
		return client.Del(ctx, record.Key(id)).Err()
	}}
}

func otherType() Damage {
	return Damage{Name: "a string for a hash", NoRecord: true, Apply: func(ctx context.Context, client redis.UniversalClient, record Record, id string) error {
		return client.Set(ctx, record.Key(id), "x", 0).Err()
	}}
}

// Corrupt is a fault: one field of a job that is about to run is overwritten.
// told hears of the job before that, so that nobody expects its outcome. Without
// a job that waits nothing happens.
func Corrupt(server *redistest.Instance, record Record, told func(id, damage string)) Fault {
	return Fault{Name: "corrupt record", Do: func(ctx context.Context, r *rand.Rand) error {
		client := operator(server)
		defer client.Close()
		id, err := waiting(ctx, client, record)
		if err != nil || id == "" {
			return err
		}
		all := Damages()
		damage := all[r.IntN(len(all))]
		told(id, damage.Name)
		if err := damage.Apply(ctx, client, record, id); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return fmt.Errorf("damage job %s: %s: %w", id, damage.Name, err)
		}
		return nil
	}}
}

// waiting is a job that has not begun; "" when there is none.
func waiting(ctx context.Context, client *redis.Client, record Record) (string, error) {
	for _, set := range []string{"prioritized", "delayed"} {
		id, err := client.ZRandMember(ctx, record.Key(set), 1).Result()
		if err != nil {
			return "", fmt.Errorf("choose a job: %w", err)
		}
		if len(id) > 0 {
			return id[0], nil
		}
	}
	id, err := client.LIndex(ctx, record.Key("wait"), 0).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return id, err
}

// Strangers puts ids into the queue's lists and sets that no job has, and such
// as no job can have.
func Strangers(ctx context.Context, client redis.UniversalClient, record Record) error {
	pipe := client.Pipeline()
	for _, id := range []string{"", "no-such-job", "wait", "meta", "a:b", "0", "\xff\x00", "id with spaces", string(make([]byte, 5000))} {
		pipe.LPush(ctx, record.Key("wait"), id)
		pipe.RPush(ctx, record.Key("wait"), id)
		pipe.LPush(ctx, record.Key("active"), id)
		for _, set := range []string{"prioritized", "delayed", "completed", "failed", "waiting-children"} {
			pipe.ZAdd(ctx, record.Key(set), redis.Z{Score: 1, Member: id + "-" + set}, redis.Z{Score: 2, Member: id})
		}
		pipe.SAdd(ctx, record.Key("stalled"), id)
	}
	_, err := pipe.Exec(ctx)
	return err
}
