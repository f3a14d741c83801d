package check

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

// stack is docker-compose.yml as Docker Compose sees it with every profile on and
// nothing but env in the environment.
func stack(t *testing.T, env ...string) *types.Project {
	t.Helper()
	return load(t, cli.WithEnv(env))
}

func load(t *testing.T, environment ...cli.ProjectOptionsFn) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{root + "/docker-compose.yml"}, append(environment, cli.WithProfiles([]string{"*"}))...)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestTheStackHasItsServicesAndProfiles(t *testing.T) {
	profiles := map[string][]string{}
	for name, service := range stack(t).Services {
		profile := strings.Join(service.Profiles, ",")
		profiles[profile] = append(profiles[profile], name)
	}
	for profile, want := range map[string][]string{
		"":           {"api", "keys", "mailpit", "postgres", "redis", "worker"},
		"s3":         {"s3"},
		"monitoring": {"grafana", "prometheus"},
		"tools":      {"bull-board"},
	} {
		if got := slices.Sorted(slices.Values(profiles[profile])); !slices.Equal(got, want) {
			t.Errorf("profile %q has %v, want %v", profile, got, want)
		}
	}
}

func TestServicesOfTheStackAreKeptUpAndIn(t *testing.T) {
	for name, service := range stack(t).Services {
		if name != "keys" && service.Restart != "unless-stopped" {
			t.Errorf("%s: restart is %q", name, service.Restart)
		}
		if !slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may gain privileges", name)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is open to the network", name, port.Published)
			}
		}
		if service.Build == nil && (!strings.Contains(service.Image, ":") || strings.HasSuffix(service.Image, ":latest")) {
			t.Errorf("%s: the version of %s is not pinned", name, service.Image)
		}
		for variable, value := range service.Environment {
			if value != nil && slices.ContainsFunc([]string{"PASSWORD", "SECRET", "KEY"}, func(s string) bool { return strings.HasSuffix(variable, s) }) {
				t.Errorf("%s: %s is in the environment and not in a file", name, variable)
			}
		}
	}
}

func TestOurServicesInTheStack(t *testing.T) {
	project := stack(t)
	for _, name := range []string{"api", "worker"} {
		service := project.Services[name]
		env := map[string]string{}
		for variable, value := range service.Environment {
			env[variable] = *value
		}
		checkVariables(t, name, env)
		if env["APP_ENV"] != "production" {
			t.Errorf("%s runs as %s", name, env["APP_ENV"])
		}
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: its root is writable, or it has capabilities", name)
		}
		shutdown, err := time.ParseDuration(env["SHUTDOWN_TIMEOUT"])
		if err != nil {
			t.Fatal(err)
		}
		if service.StopGracePeriod == nil || time.Duration(*service.StopGracePeriod) <= shutdown+10*time.Second {
			t.Errorf("%s is killed before it can have stopped", name)
		}
		if service.Build == nil || service.Build.Target != name {
			t.Errorf("%s is not built from its target", name)
		}
		for _, other := range []string{"redis", "postgres"} {
			if service.DependsOn[other].Condition != types.ServiceConditionHealthy {
				t.Errorf("%s starts before %s is healthy", name, other)
			}
			if project.Services[other].HealthCheck == nil {
				t.Errorf("%s has no health check", other)
			}
		}
	}
}

// Whoever follows docs/configuration.md has the example as .env, which Docker
// Compose reads too. Its values are for development, the stack runs in production.
func TestTheStackIsTheSameBesideTheExample(t *testing.T) {
	beside := load(t, cli.WithEnvFiles(root+"/.env.example"), cli.WithDotEnv)
	for name, alone := range stack(t).Services {
		if diff := cmp.Diff(alone, beside.Services[name]); diff != "" {
			t.Errorf("%s (-alone +beside .env.example):\n%s", name, diff)
		}
	}
}

func TestTheWorkerCanBeScaled(t *testing.T) {
	worker := stack(t).Services["worker"]
	if worker.ContainerName != "" || len(worker.Ports) > 0 {
		t.Error("a second worker would collide with the first")
	}
	if name, ok := worker.Environment["WORKER_NAME"]; ok {
		t.Errorf("all workers would be called %s", *name)
	}
}

// Each file that a service reads below /run/keys is one that make-keys.sh makes.
func TestTheStackReadsKeysThatAreMade(t *testing.T) {
	script := read(t, "deploy/compose/make-keys.sh")
	for _, storage := range []string{"files", "s3"} {
		for name, service := range stack(t, "STORAGE="+storage).Services {
			values := slices.Collect(maps.Values(service.Environment))
			for _, value := range values {
				if value == nil {
					continue
				}
				if key, found := strings.CutPrefix(*value, "/run/keys/"); found && !strings.Contains(script, "\nkeep "+key+" ") {
					t.Errorf("%s reads %s, which nobody makes", name, key)
				}
			}
		}
	}
}
