package check

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	tmpOfCompose    = regexp.MustCompile(`tmpfs: \["/tmp:size=(\d+\w)`)
	tmpOfKubernetes = regexp.MustCompile(`\{name: tmp, emptyDir: \{sizeLimit: (\d+\w+)\}\}`)
	setInCompose    = regexp.MustCompile(`(?m)^\s+(EXPORT_\w+): \$\{\w+:-(\d+)\}`)
	setInKubernetes = regexp.MustCompile(`(?m)^(EXPORT_\w+)=(\d+)`)
)

// Exports grow in /tmp before they are stored. One that is too large is to fail
// with words, not with a full disk that fails the others as well.
func TestTheExportsThatRunAtOnceFitTheirDirectory(t *testing.T) {
	for _, place := range []struct {
		name, path, settings string
		size, setting        *regexp.Regexp
	}{
		{"compose", "docker-compose.yml", "docker-compose.yml", tmpOfCompose, setInCompose},
		{"kubernetes", "deploy/k8s/base/worker.yaml", "deploy/k8s/base/tandem.env", tmpOfKubernetes, setInKubernetes},
	} {
		found := place.size.FindStringSubmatch(read(t, place.path))
		if found == nil {
			t.Errorf("%s: %s does not say how large /tmp is", place.name, place.path)
			continue
		}
		known := variables(t)
		value := map[string]string{"EXPORT_CONCURRENCY": known["EXPORT_CONCURRENCY"].standard, "EXPORT_MAX_BYTES": known["EXPORT_MAX_BYTES"].standard}
		for _, set := range place.setting.FindAllStringSubmatch(read(t, place.settings), -1) {
			value[set[1]] = set[2]
		}
		if need := number(t, value["EXPORT_CONCURRENCY"]) * number(t, value["EXPORT_MAX_BYTES"]); need > size(t, found[1]) {
			t.Errorf("%s: /tmp has %s, and %s exports of EXPORT_MAX_BYTES=%s take %d bytes",
				place.name, found[1], value["EXPORT_CONCURRENCY"], value["EXPORT_MAX_BYTES"], need)
		}
	}
}

// size reads 512m and 4Gi, which are powers of two in both places.
func size(t *testing.T, text string) int64 {
	t.Helper()
	digits := strings.TrimRight(text, "kmgKMGib")
	unit := map[string]int64{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[strings.ToLower(text[len(digits):])[:1]]
	return number(t, digits) * unit
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
