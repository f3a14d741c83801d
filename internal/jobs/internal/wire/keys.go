package wire

import (
	"encoding/base64"
	"strings"
)

// DefaultPrefix is the first part of every key unless a queue is told otherwise.
const DefaultPrefix = "bull"

// Keys makes the names of one queue's keys: prefix:queue:suffix.
type Keys struct {
	prefix string
	queue  string
	base   string
}

// NewKeys returns the keys of a queue. An empty prefix is DefaultPrefix.
func NewKeys(prefix, queue string) Keys {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return Keys{prefix: prefix, queue: queue, base: prefix + ":" + queue + ":"}
}

// Queue is the queue's name without its prefix.
func (k Keys) Queue() string { return k.queue }

// Base is what every key of the queue starts with, the last colon included.
func (k Keys) Base() string { return k.base }

// Keys of the queue as a whole. Those that only scripts touch are named there.
func (k Keys) Meta() string            { return k.base + "meta" }
func (k Keys) Wait() string            { return k.base + "wait" }
func (k Keys) LegacyPaused() string    { return k.base + "paused" } // written by BullMQ 5 only
func (k Keys) Active() string          { return k.base + "active" }
func (k Keys) Prioritized() string     { return k.base + "prioritized" }
func (k Keys) Delayed() string         { return k.base + "delayed" }
func (k Keys) WaitingChildren() string { return k.base + "waiting-children" }
func (k Keys) Completed() string       { return k.base + "completed" }
func (k Keys) Failed() string          { return k.base + "failed" }
func (k Keys) Marker() string          { return k.base + "marker" }
func (k Keys) Events() string          { return k.base + "events" }
func (k Keys) Limiter() string         { return k.base + "limiter" }

// Job is the key of a job's hash.
func (k Keys) Job(id string) string { return k.base + id }

// Logs is the list of a job's log lines.
func (k Keys) Logs(id string) string { return k.base + id + ":logs" }

// Private is the base of the keys that only Tandem uses. They stay outside the
// queue's own prefix, because Node's removeOrphanedJobs deletes whatever there
// looks like a job; and since they repeat that prefix, they carry its hash tag
// and share its Cluster slot.
func (k Keys) Private() string { return "tandem:" + k.base }

// HashTag is the part of the keys in braces that decides their Cluster slot, or
// "" when each key has a slot of its own and the queue cannot live on a Cluster.
func (k Keys) HashTag() string {
	_, rest, ok := strings.Cut(k.base, "{")
	if !ok {
		return ""
	}
	tag, _, ok := strings.Cut(rest, "}")
	if !ok {
		return ""
	}
	return tag
}

// ClientName is the name that a worker's blocking connection takes, by which
// Node's getWorkers and the dashboards find it: prefix:base64(queue), and the
// worker's own name behind ":w:". Redis refuses spaces and control characters
// in it, so those become dashes.
func (k Keys) ClientName(worker string) string {
	name := k.prefix + ":" + base64.StdEncoding.EncodeToString([]byte(k.queue))
	if worker == "" {
		return name
	}
	return name + ":w:" + strings.Map(printable, worker)
}

func printable(r rune) rune {
	if r <= ' ' || r > '~' {
		return '-'
	}
	return r
}
