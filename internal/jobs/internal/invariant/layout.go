package invariant

import (
	"regexp"
	"strings"
)

// queueKeys are the keys of a queue as a whole, and their types.
var queueKeys = map[string]string{
	"meta": "hash", "id": "string", "wait": "list", "paused": "list", "active": "list",
	"prioritized": "zset", "pc": "string", "delayed": "zset", "waiting-children": "zset",
	"completed": "zset", "failed": "zset", "marker": "zset", "stalled": "set",
	"stalled-check": "string", "limiter": "string", "events": "stream", "repeat": "zset",
	"metrics:completed": "hash", "metrics:failed": "hash",
	"metrics:completed:data": "list", "metrics:failed:data": "list",
}

// jobKeys are the keys beside a job's hash, and their types.
var jobKeys = map[string]string{
	"lock": "string", "logs": "list", "dependencies": "set",
	"processed": "hash", "failed": "hash", "unsuccessful": "zset",
}

// places are the keys that hold ids, one for each state.
var places = []string{
	"wait", "paused", "active", "prioritized", "delayed", "waiting-children", "completed", "failed",
}

// role says what a key is for.
type role int

const (
	unknownKey role = iota
	queueKey
	jobHash
	jobKey
	dedupOwner
	dedupNext
	schedulerHash
)

var schedulerRun = regexp.MustCompile(`^repeat:.*:\d+$`)

// roleOf tells what the key with this suffix is, and which job or
// deduplication id it belongs to.
func roleOf(suffix string) (r role, id string) {
	if queueKeys[suffix] != "" {
		return queueKey, ""
	}
	if at := strings.LastIndexByte(suffix, ':'); at > 0 && jobKeys[suffix[at+1:]] != "" {
		return jobKey, suffix[:at]
	}
	switch first, rest, _ := strings.Cut(suffix, ":"); {
	case first == "de":
		return dedupOwner, rest
	case first == "dn":
		return dedupNext, rest
	case schedulerRun.MatchString(suffix):
		return jobHash, suffix
	case first == "repeat":
		return schedulerHash, rest
	case strings.Count(suffix, ":") == 0, strings.Count(suffix, ":") == 2:
		return jobHash, suffix
	}
	return unknownKey, ""
}
