package check

import (
	"regexp"
	"strings"
	"testing"
)

// The settings that a 202 stands on. The API refuses jobs without them.
func TestRedisKeepsWhatItAccepts(t *testing.T) {
	settings := map[string]string{}
	for line := range strings.Lines(read(t, "deploy/redis/redis.conf")) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found && name != "#" {
			settings[name] = value
		}
	}
	for name, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no",
		"maxmemory-policy": "noeviction", "hash-max-listpack-value": "1024",
	} {
		if settings[name] != want {
			t.Errorf("%s is %q, want %q", name, settings[name], want)
		}
	}
	if settings["maxmemory"] == "" || settings["maxmemory"] == "0" {
		t.Error("without a limit of its own the kernel sets one")
	}
}

var (
	goVersion     = regexp.MustCompile(`(?m)^go (\d+\.\d+)`)
	linkedVersion = regexp.MustCompile(`-X github\.com/tandemq/tandem/([\w/]+)\.(\w+)=`)
)

func TestTheDockerfileFitsTheCode(t *testing.T) {
	file := read(t, "Dockerfile")
	version := goVersion.FindStringSubmatch(read(t, "go.mod"))[1]
	if !strings.Contains(file, "GO_IMAGE=golang:"+version+"-") {
		t.Errorf("the images are not built by Go %s, which go.mod asks for", version)
	}
	for _, flag := range linkedVersion.FindAllStringSubmatch(file, -1) {
		if !strings.Contains(read(t, flag[1]+"/version.go"), "\nvar "+flag[2]+" string") {
			t.Errorf("there is no variable %s in %s", flag[2], flag[1])
		}
	}
	for _, binary := range []string{"api", "worker", "tandem"} {
		for _, words := range []string{
			"FROM run AS " + binary + "\n", "-o /out/" + binary + " ./cmd/" + binary + "\n",
			`CMD ["/` + binary + `", "healthcheck"]`, `ENTRYPOINT ["/` + binary + `"]`,
		} {
			if !strings.Contains(file, words) {
				t.Errorf("the Dockerfile lacks %q", words)
			}
		}
	}
	for _, words := range []string{"\nUSER 65532:65532\n", "--mount=type=cache", "CGO_ENABLED=0", "--platform=$BUILDPLATFORM"} {
		if !strings.Contains(file, words) {
			t.Errorf("the Dockerfile lacks %q", words)
		}
	}
}
