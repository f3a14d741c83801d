package invariant

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// Dump is the whole keyspace of a queue as text, one key a line in the order of
// their names, and the event stream below. What differs from run to run is
// masked: the ids of stream entries are left out, a key that runs out says
// "(expires)", and the queue's base, wherever it occurs, is "Q:".
//
//	active   [b]
//	b        {data={"a":1} delay=0 …}
//	b:lock   token-1 (expires)
//	marker   {0=0}
//	events
//	  added jobId=b name=n
func Dump(tb testing.TB, client redis.UniversalClient, keys wire.Keys) string {
	tb.Helper()
	return read(tb, client, keys).text(true)
}

// DumpState is Dump without the event stream.
func DumpState(tb testing.TB, client redis.UniversalClient, keys wire.Keys) string {
	tb.Helper()
	return read(tb, client, keys).text(false)
}

func (s *snapshot) text(events bool) string {
	var b strings.Builder
	for _, suffix := range s.suffixes() {
		if s.keys[suffix].kind != "stream" {
			fmt.Fprintf(&b, "%s  %s\n", suffix, s.keys[suffix].describe())
		}
	}
	if stream, ok := s.keys["events"]; ok && events {
		b.WriteString("events\n")
		for _, entry := range stream.stream {
			fmt.Fprintf(&b, "  %s\n", describeEvent(entry))
		}
	}
	return strings.NewReplacer(s.base, "Q:", strings.TrimSuffix(s.base, ":")+`"`, `Q"`).Replace(b.String())
}

func (v value) describe() string {
	text := v.content()
	if v.expires {
		text += " (expires)"
	}
	return text
}

func (v value) content() string {
	switch v.kind {
	case "list":
		return "[" + strings.Join(v.list, " ") + "]"
	case "set":
		return "(" + strings.Join(v.set, " ") + ")"
	case "hash":
		return "{" + pairs(v.hash, "") + "}"
	case "zset":
		members := make([]string, len(v.zset))
		for i, m := range v.zset {
			members[i] = fmt.Sprintf("%v=%s", m.Member, strconv.FormatFloat(m.Score, 'f', -1, 64))
		}
		return "{" + strings.Join(members, " ") + "}"
	default:
		return v.text
	}
}

func describeEvent(entry redis.XMessage) string {
	fields := map[string]string{}
	for name, v := range entry.Values {
		fields[name] = fmt.Sprint(v)
	}
	return strings.TrimSpace(fields["event"] + " " + pairs(fields, "event"))
}

func pairs(fields map[string]string, except string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != except {
			out = append(out, name+"="+fields[name])
		}
	}
	return strings.Join(out, " ")
}
