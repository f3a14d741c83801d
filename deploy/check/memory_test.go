package check

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What docs/operations.md says of the memory of jobs was measured with this: make
// check-deploy, or "go test -run Memory -v ." here, shows the figures again.
func TestTheMemoryOfAWaitingJob(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "redis-server")
	}
	bin := filepath.Join(build(t), "api")
	for _, message := range []int{20, 300, 900} {
		packed, spread := memoryOfAJob(t, bin, "1024", message), memoryOfAJob(t, bin, "64", message)
		t.Logf("a message of %d bytes: a job takes %d bytes with deploy/redis/redis.conf, %d with Redis' own hash-max-listpack-value", message, packed, spread)
		if packed >= spread {
			t.Errorf("a message of %d bytes: packed it takes %d bytes and not less than %d", message, packed, spread)
		}
		if around := packed - message; around > 1200 {
			t.Errorf("a message of %d bytes: %d bytes around it, and the page says 0.8 to 1 KB", message, around)
		}
	}
}

// memoryOfAJob is how many bytes Redis takes for each of 10,000 waiting mails with
// a message of a size, everything included: hash, list, ids, events.
func memoryOfAJob(t *testing.T, api, listpack string, message int) int {
	t.Helper()
	const bulks, each = 10, 1000
	var perJob int
	t.Run(fmt.Sprintf("%s bytes packed, message of %d", listpack, message), func(t *testing.T) {
		config, err := filepath.Abs(root + "/deploy/redis/redis.conf")
		if err != nil {
			t.Fatal(err)
		}
		redis, port, ops := freePort(t), freePort(t), freePort(t)
		start(t, nil, "redis-server", config, "--port", redis, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--hash-max-listpack-value", listpack)
		answers(t, "redis", func() error { return dial(t.Context(), redis) })
		start(t, []string{
			"APP_ENV=development", "LOG_LEVEL=warn", "DATA_DIR=" + t.TempDir(), "REDIS_URL=redis://127.0.0.1:" + redis,
			"PORT=" + port, "OPS_ADDR=127.0.0.1:" + ops,
		}, api)
		answers(t, "the api", func() error { return get(t, "http://127.0.0.1:"+ops+"/readyz", io.Discard) })

		before := usedMemory(t, redis)
		for range bulks {
			post(t, "http://127.0.0.1:"+port+"/api/v1/jobs/bulk", mails(each, message))
		}
		perJob = (usedMemory(t, redis) - before) / (bulks * each)
	})
	return perJob
}

// mails is a bulk of jobs as the API takes it.
func mails(n, message int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(`{"data":{"type":"email","payload":{"template":"generic","to":"user-%d@example.com","data":{"message":%q}}}}`,
			i, strings.Repeat("x", message))
	}
	return `{"jobs":[` + strings.Join(items, ",") + `]}`
}

func usedMemory(t *testing.T, port string) int {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "redis-cli", "-p", port, "info", "memory").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(said)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); found {
			bytes, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			return bytes
		}
	}
	t.Fatalf("Redis does not tell its memory:\n%s", said)
	return 0
}
