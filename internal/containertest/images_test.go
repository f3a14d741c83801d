//go:build containers

package containertest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// version is what the tests have the images stamped with.
const version = "v0.0.0-containertest"

// images are built once, the first time that a test wants them.
type images struct{ API, Worker string }

var built = sync.OnceValues(buildImages)

// theImages returns our images, and skips the test without an engine.
func theImages(t *testing.T) images {
	t.Helper()
	needEngine(t)
	i, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func needEngine(t *testing.T) {
	t.Helper()
	if _, err := docker("version", "--format", "{{.Server.Version}}"); err != nil {
		if os.Getenv("CONTAINERTEST_STRICT") == "1" {
			t.Fatalf("no container engine answers, and CONTAINERTEST_STRICT is set: %v", err)
		}
		t.Skipf("SKIPPED: no container engine answers: %v", err)
	}
}

func buildImages() (images, error) {
	i := images{"tandem/api:containertest", "tandem/worker:containertest"}
	for target, image := range map[string]string{"api": i.API, "worker": i.Worker} {
		if _, err := docker("build", "--target", target, "-t", image, "--build-arg", "VERSION="+version, root); err != nil {
			return images{}, err
		}
	}
	return i, nil
}

// docker runs the client, since only it can build with the caches of BuildKit.
func docker(args ...string) (string, error) {
	return run(append([]string{cmp.Or(os.Getenv("DOCKER"), "docker")}, args...), "DOCKER_BUILDKIT=1")
}

// run returns what a command says on standard output; its error has the rest.
func run(words []string, env ...string) (string, error) {
	var out, said bytes.Buffer
	command := exec.Command(words[0], words[1:]...)
	command.Env, command.Stdout, command.Stderr = append(os.Environ(), env...), &out, &said
	if err := command.Run(); err != nil {
		return "", &commandError{strings.Join(words, " "), err, said.String()}
	}
	return strings.TrimSpace(out.String()), nil
}

type commandError struct {
	command string
	err     error
	said    string
}

func (e *commandError) Error() string { return e.command + ": " + e.err.Error() + "\n" + e.said }
func (e *commandError) Unwrap() error { return e.err }

// maxImage is the size of an image as it is pulled.
const maxImage = 40 << 20

func TestImagesAreSmallAndSaySo(t *testing.T) {
	i := theImages(t)
	for name, image := range map[string]string{"api": i.API, "worker": i.Worker} {
		var found []struct {
			Config struct {
				User        string
				Labels      map[string]string
				Healthcheck struct{ Test []string }
				Entrypoint  []string
			}
		}
		text, err := docker("image", "inspect", image)
		if err == nil {
			err = json.Unmarshal([]byte(text), &found)
		}
		if err != nil {
			t.Fatal(err)
		}
		config := found[0].Config
		if config.User != "65532:65532" {
			t.Errorf("%s runs as %q", name, config.User)
		}
		if got := strings.Join(config.Healthcheck.Test, " "); got != "CMD /"+name+" healthcheck" {
			t.Errorf("%s: the health check is %q", name, got)
		}
		for label, want := range map[string]string{"title": "tandem-" + name, "version": version, "licenses": "MIT"} {
			if got := config.Labels["org.opencontainers.image."+label]; got != want {
				t.Errorf("%s: label %s is %q, want %q", name, label, got, want)
			}
		}
		said, err := docker("run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", image, "--version")
		if err != nil || !strings.HasPrefix(said, name+" "+version) {
			t.Errorf("%s says it is %q, %v", name, said, err)
		}
		size := pulled(t, image)
		t.Logf("%s is pulled as %.1f MiB", name, float64(size)/(1<<20))
		if size > maxImage {
			t.Errorf("%s has %d bytes, more than %d", name, size, maxImage)
		}
	}
}

// pulled is how many bytes whoever pulls the image transfers, about.
func pulled(t *testing.T, image string) int64 {
	t.Helper()
	save := exec.CommandContext(t.Context(), cmp.Or(os.Getenv("DOCKER"), "docker"), "save", image)
	layers, err := save.StdoutPipe()
	if err == nil {
		err = save.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var size counter
	compressor := gzip.NewWriter(&size)
	if _, err := io.Copy(compressor, layers); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	if err := save.Wait(); err != nil {
		t.Fatal(err)
	}
	return int64(size)
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
