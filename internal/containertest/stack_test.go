//go:build containers

package containertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	dockernet "github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

// stack is everything that one test runs. Its containers know each other by name.
type stack struct {
	images  images
	network *testcontainers.DockerNetwork
	data    string // the volume with the files, which api and workers share
	redis   *testcontainers.DockerContainer
	mailpit *testcontainers.DockerContainer
	api     *testcontainers.DockerContainer
	workers map[string]*testcontainers.DockerContainer
	client  client
}

// key is the API key of the tests.
const key = "containertest-operator-key"

// naps is a dataset whose rows take their time: 400 of 25 ms, so that an export
// of it can be interrupted.
const naps = `
datasets:
  - name: naps
    title: Naps
    select: SELECT n AS id, 'u1' AS owner_id, CAST(pg_sleep(0.025) AS text) AS nap FROM generate_series(1, 400) AS n
    tenant: none
    owner: owner_id
    columns:
      - {name: id, type: integer}
      - {name: nap, type: text}
`

// newStack starts Redis, PostgreSQL, a mail catcher and the api, without workers.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{images: theImages(t), workers: map[string]*testcontainers.DockerContainer{}}
	var err error
	if s.network, err = network.New(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.network.Remove(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("remove network: %v", err)
		}
	})
	id := uuid.NewString()
	s.data = volume(t, "tandem-data-"+id)
	redisData := volume(t, "tandem-redis-"+id)
	s.redis = s.start(t, "redis", "redis:8-alpine",
		testcontainers.WithCmd("redis-server", "/etc/redis.conf"),
		testcontainers.WithFiles(testcontainers.ContainerFile{HostFilePath: root + "/deploy/redis/redis.conf", ContainerFilePath: "/etc/redis.conf", FileMode: 0o644}),
		mounted(redisData, "/data"),
		testcontainers.WithWaitStrategy(wait.ForExec([]string{"redis-cli", "ping"}).WithResponseMatcher(says("PONG"))),
	)
	s.start(t, "postgres", "postgres:17-alpine",
		testcontainers.WithEnv(map[string]string{"POSTGRES_USER": "tandem", "POSTGRES_PASSWORD": "containertest", "POSTGRES_DB": "tandem"}),
		// By TCP: the server that only sets the database up listens on a socket.
		testcontainers.WithWaitStrategy(wait.ForExec([]string{"pg_isready", "-h", "127.0.0.1", "-U", "tandem", "-d", "tandem"})),
	)
	s.mailpit = s.start(t, "mailpit", "axllent/mailpit:v1.29",
		exposed("8025"), testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithPort("8025/tcp")))
	s.api = s.startAPI(t, "api")
	s.client = client{api: endpoint(t, s.api, "8080/tcp"), mails: endpoint(t, s.mailpit, "8025/tcp")}
	return s
}

// startAPI starts a process of the api under a name.
func (s *stack) startAPI(t *testing.T, name string) *testcontainers.DockerContainer {
	t.Helper()
	return s.start(t, name, s.images.API,
		testcontainers.WithEnv(s.env(map[string]string{"API_KEYS": "operator:" + key, "RATE_LIMIT": "off", "DRAIN_DELAY": "2s"})),
		hardened(s.data), datasets(t),
		exposed("8080", "8081"),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithPort("8081/tcp")),
	)
}

func (s *stack) env(more map[string]string) map[string]string {
	env := map[string]string{
		"APP_ENV": "production", "LOG_FORMAT": "text", "NO_COLOR": "1", "PUBLIC_URL": "http://localhost:8080",
		"REDIS_URL": "redis://redis:6379/0", "DATABASE_URL": "postgres://tandem:containertest@postgres:5432/tandem?sslmode=disable",
		"URL_SIGNING_KEY": strings.Repeat("containertest", 4), "DATASETS_FILE": "/etc/tandem/datasets.yaml",
		// Short, so that a stop in mid-job hands the job on instead of finishing it.
		"SHUTDOWN_TIMEOUT": "2s",
	}
	maps.Copy(env, more)
	return env
}

// worker starts a worker under a name.
func (s *stack) worker(t *testing.T, name string) *testcontainers.DockerContainer {
	t.Helper()
	w := s.start(t, name, s.images.Worker,
		testcontainers.WithEnv(s.env(map[string]string{
			"SMTP_URL": "smtp://mailpit:1025?tls=none", "MAIL_FROM": "Tandem <no-reply@tandem.example.com>", "WORKER_NAME": name,
		})),
		hardened(s.data), datasets(t),
		exposed("8082"),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithPort("8082/tcp")),
	)
	s.workers[name] = w
	return w
}

// start runs a container until the test ends, and shows its log if that failed.
func (s *stack) start(t *testing.T, name, image string, o ...testcontainers.ContainerCustomizer) *testcontainers.DockerContainer {
	t.Helper()
	o = append(o, network.WithNetwork([]string{name}, s.network))
	c, err := testcontainers.Run(t.Context(), image, o...)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if t.Failed() {
			showLog(ctx, t, name, c)
		}
		if err := testcontainers.TerminateContainer(c); err != nil {
			t.Errorf("end %s: %v", name, err)
		}
	})
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	return c
}

func showLog(ctx context.Context, t *testing.T, name string, c *testcontainers.DockerContainer) {
	t.Helper()
	if c == nil {
		return
	}
	log, err := c.Logs(ctx)
	if err != nil {
		t.Logf("log of %s: %v", name, err)
		return
	}
	text, err := io.ReadAll(log)
	t.Logf("log of %s: %v\n%s", name, errors.Join(err, log.Close()), text)
}

// volume makes a volume that is removed after the containers.
func volume(t *testing.T, name string) string {
	t.Helper()
	if _, err := docker("volume", "create", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := docker("volume", "rm", name); err != nil {
			t.Error(err)
		}
	})
	return name
}

// exposed publishes ports on one address of this machine: an engine may give a
// port another number for each family of addresses.
func exposed(ports ...string) testcontainers.ContainerCustomizer {
	return testcontainers.CustomizeRequestOption(func(request *testcontainers.GenericContainerRequest) error {
		bindings := dockernet.PortMap{}
		for _, port := range ports {
			request.ExposedPorts = append(request.ExposedPorts, port+"/tcp")
			bindings[dockernet.MustParsePort(port+"/tcp")] = []dockernet.PortBinding{{HostIP: netip.MustParseAddr("127.0.0.1")}}
		}
		return testcontainers.WithHostConfigModifier(func(c *container.HostConfig) { c.PortBindings = bindings })(request)
	})
}

func mounted(name, path string) testcontainers.ContainerCustomizer {
	return testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
		c.Mounts = append(c.Mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path})
	})
}

// hardened is how our containers run everywhere: read-only, without capabilities.
func hardened(data string) testcontainers.ContainerCustomizer {
	return testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
		c.ReadonlyRootfs, c.CapDrop, c.SecurityOpt = true, []string{"ALL"}, []string{"no-new-privileges:true"}
		c.Tmpfs = map[string]string{"/tmp": "size=256m,mode=1777"}
		c.Mounts = append(c.Mounts, mount.Mount{Type: mount.TypeVolume, Source: data, Target: "/data"})
	})
}

// datasets mounts the file: nothing can be copied into a read-only container.
func datasets(t *testing.T) testcontainers.ContainerCustomizer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "datasets.yaml")
	if err := os.WriteFile(path, []byte(naps), 0o644); err != nil {
		t.Fatal(err)
	}
	return testcontainers.WithHostConfigModifier(func(c *container.HostConfig) {
		c.Mounts = append(c.Mounts, mount.Mount{Type: mount.TypeBind, Source: path, Target: "/etc/tandem/datasets.yaml", ReadOnly: true})
	})
}

func says(word string) func(io.Reader) bool {
	return func(r io.Reader) bool {
		text, err := io.ReadAll(r)
		return err == nil && strings.Contains(string(text), word)
	}
}

func endpoint(t *testing.T, c *testcontainers.DockerContainer, port string) string {
	t.Helper()
	url, err := c.PortEndpoint(t.Context(), port, "http")
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// stop is docker stop, with the time that compose and Kubernetes give.
func stop(t *testing.T, c *testcontainers.DockerContainer) {
	t.Helper()
	patience := 30 * time.Second
	if err := c.Stop(t.Context(), &patience); err != nil {
		t.Fatal(err)
	}
	state, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state.ExitCode != 0 {
		t.Errorf("the container ended with %d instead of 0", state.ExitCode)
	}
}

// kill is docker kill -s KILL: what a node does that dies.
func kill(t *testing.T, c *testcontainers.DockerContainer) {
	t.Helper()
	if _, err := docker("kill", "-s", "KILL", c.GetContainerID()); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ask returns nil, and fails with its last error.
func eventually(t *testing.T, within time.Duration, what string, ask func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("%s: not within %s: %w", what, within, err))
		case <-ticker.C:
		}
	}
}
