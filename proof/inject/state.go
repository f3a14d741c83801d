package inject

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// passing are keys that say nothing of a job: counters, which may have gaps, and
// when somebody last looked for the dead.
var passing = map[string]bool{"id": true, "pc": true, "stalled-check": true}

// State shows what is stored of a queue, without what differs from one time to
// another: moments, the tokens of locks, and keys that say nothing of a job; a
// marker is one of them where no work waits. Two queues that went through the same
// have the same state. Events of the muted names are left out.
func State(tb testing.TB, client redis.UniversalClient, record Record, muted []string) string {
	tb.Helper()
	var lines []string
	iterator := client.Scan(tb.Context(), 0, record.Key("*"), 1000).Iterator()
	for iterator.Next(tb.Context()) {
		key := iterator.Val()
		if passing[strings.TrimPrefix(key, record.Key(""))] {
			continue
		}
		text, err := shown(tb, client, key, muted)
		if err != nil {
			tb.Fatalf("inject: show %s: %v", key, err)
		}
		lines = append(lines, timeless(strings.TrimPrefix(key, record.Key(""))+": "+text))
	}
	if err := iterator.Err(); err != nil {
		tb.Fatalf("inject: list keys: %v", err)
	}
	waits := slices.ContainsFunc(lines, func(line string) bool {
		return strings.HasPrefix(line, "wait: ") || strings.HasPrefix(line, "prioritized: ") || strings.HasPrefix(line, "delayed: ")
	})
	if !waits {
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "marker: ") })
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// shown is one key in words.
func shown(tb testing.TB, client redis.UniversalClient, key string, muted []string) (string, error) {
	ctx := tb.Context()
	kind, err := client.Type(ctx, key).Result()
	if err != nil {
		return "", err
	}
	switch kind {
	case "hash":
		fields, err := client.HGetAll(ctx, key).Result()
		return pairs(fields), err
	case "list":
		ids, err := client.LRange(ctx, key, 0, -1).Result()
		return fmt.Sprint(ids), err
	case "zset": // scores are moments
		ids, err := client.ZRange(ctx, key, 0, -1).Result()
		return fmt.Sprint(ids), err
	case "set":
		ids, err := client.SMembers(ctx, key).Result()
		slices.Sort(ids)
		return fmt.Sprint(ids), err
	case "stream":
		return told(tb, client, key, muted)
	default: // a string: a counter, or a lock with a token
		if strings.HasSuffix(key, ":lock") {
			return "a token", nil
		}
		return client.Get(ctx, key).Result()
	}
}

// pairs are fields by name. The delay of a scheduled run depends on the moment.
func pairs(fields map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if _, scheduled := fields["rjk"]; scheduled && name == "delay" {
			continue
		}
		all = append(all, name+"="+fields[name])
	}
	return strings.Join(all, " ")
}

// told are the events of a stream in their order.
func told(tb testing.TB, client redis.UniversalClient, key string, muted []string) (string, error) {
	entries, err := client.XRange(tb.Context(), key, "-", "+").Result()
	var all []string
	for _, e := range entries {
		if name, _ := e.Values["event"].(string); slices.Contains(muted, name) {
			continue
		}
		fields := map[string]string{}
		for name, value := range e.Values {
			fields[name] = fmt.Sprint(value)
		}
		all = append(all, pairs(fields))
	}
	return strings.Join(all, "; "), err
}

var (
	moment  = regexp.MustCompile(`\d{12,}`)
	optsLag = regexp.MustCompile(`"delay":\d+,"timestamp"`)
)

// timeless replaces moments.
func timeless(text string) string {
	return moment.ReplaceAllString(optsLag.ReplaceAllString(text, `"delay":…,"timestamp"`), "T")
}
