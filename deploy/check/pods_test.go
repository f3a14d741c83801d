package check

import (
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// environment is what the container of a workload reads, with the variables of
// its ConfigMap.
func environment(objects []runtime.Object, c core.Container) map[string]string {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		for _, m := range of[*core.ConfigMap](objects) {
			if from.ConfigMapRef != nil && m.Name == from.ConfigMapRef.Name {
				maps.Copy(env, m.Data)
			}
		}
	}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	return env
}

// forBoth are variables of the shared ConfigMap that only the worker reads.
var forBoth = []string{"MAIL_FROM"}

func TestPodsSetVariablesThatTheirProgramReads(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		for _, w := range ours(objects) {
			c := w.pod.Spec.Containers[0]
			program := map[bool]string{true: "worker", false: "api"}[c.Name == "worker"]
			env := environment(objects, c)
			if program == "api" {
				maps.DeleteFunc(env, func(name, _ string) bool { return slices.Contains(forBoth, name) })
			} else {
				maps.DeleteFunc(env, func(name, _ string) bool { return name == "TRUSTED_PROXIES" || name == "RATE_LIMIT" })
			}
			checkVariables(t, program, env)
			for _, needed := range []string{"APP_ENV", "REDIS_URL_FILE", "DATABASE_URL_FILE", "STORAGE_URL_FILE", "URL_SIGNING_KEY_FILE", "PUBLIC_URL"} {
				if env[needed] == "" {
					t.Errorf("%s: %s is not set", w.name, needed)
				}
			}
			checkSecretFiles(t, w, env)
		}
	})
}

// secretKeys are what docs/operations.md tells to put into the Secret "tandem".
var secretKeys = []string{"redis_url", "database_url", "storage_url", "url_signing_key", "address_hash_key", "api_keys", "smtp_url", "redis_password"}

// checkSecretFiles: each *_FILE is below the mounted Secret, under a name that
// the operator was told of.
func checkSecretFiles(t *testing.T, w workload, env map[string]string) {
	t.Helper()
	for name, value := range env {
		if !strings.HasSuffix(name, "_FILE") {
			continue
		}
		if dir, key := path.Split(value); dir != "/run/secrets/tandem/" || !slices.Contains(secretKeys, key) {
			t.Errorf("%s: %s=%s is no key of the Secret", w.name, name, value)
		}
	}
}

func TestOperationsNamesEveryKeyOfTheSecret(t *testing.T) {
	text := read(t, "docs/operations.md")
	for _, key := range secretKeys {
		if !strings.Contains(text, "--from-file="+key) && !strings.Contains(text, "`"+key+"`") {
			t.Errorf("docs/operations.md does not name the key %s", key)
		}
	}
}

func TestDeploymentsStopWithoutHaste(t *testing.T) {
	const closing = 10 * time.Second // closeTimeout of both services
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		for _, d := range of[*apps.Deployment](objects) {
			if !strings.HasPrefix(d.Name, "tandem-") {
				continue
			}
			pod := d.Spec.Template.Spec
			env := environment(objects, pod.Containers[0])
			shutdown, err := time.ParseDuration(env["SHUTDOWN_TIMEOUT"])
			if err != nil {
				t.Fatal(err)
			}
			var before time.Duration
			if hook := pod.Containers[0].Lifecycle; hook != nil {
				before = time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
			}
			needed, given := before+shutdown+closing, time.Duration(*pod.TerminationGracePeriodSeconds)*time.Second
			if given <= needed {
				t.Errorf("%s: is killed after %s and may need %s", d.Name, given, needed)
			}
			if d.Name == "tandem-api" && before == 0 && env["DRAIN_DELAY"] == "" {
				t.Error("the api does not answer while load balancers still send to it")
			}
			if r := d.Spec.Strategy.RollingUpdate; r == nil || r.MaxUnavailable.IntValue() != 0 {
				t.Errorf("%s: old pods go before new ones are ready", d.Name)
			}
		}
	})
}

func TestProbesAskTheOpsListener(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		known := variables(t)
		for _, w := range ours(objects) {
			c := w.pod.Spec.Containers[0]
			if c.Name == "migrate" {
				continue
			}
			for name, want := range map[string]struct {
				probe *core.Probe
				path  string
			}{"startup": {c.StartupProbe, "/livez"}, "readiness": {c.ReadinessProbe, "/readyz"}, "liveness": {c.LivenessProbe, "/livez"}} {
				if want.probe == nil || want.probe.HTTPGet == nil || want.probe.HTTPGet.Path != want.path || want.probe.HTTPGet.Port.String() != "ops" {
					t.Errorf("%s: the %s probe does not ask %s of the ops port", w.name, name, want.path)
				} else if want.probe.TimeoutSeconds < 2 {
					t.Errorf("%s: a check may take 2 s, and the %s probe gives it %d", w.name, name, want.probe.TimeoutSeconds)
				}
			}
			for _, port := range c.Ports {
				if port.Name == "ops" && !strings.Contains(known["OPS_ADDR"].standard, ":"+strconv.Itoa(int(port.ContainerPort))+"` ("+c.Name) {
					t.Errorf("%s: OPS_ADDR is %s, not %d", w.name, known["OPS_ADDR"].standard, port.ContainerPort)
				}
			}
		}
	})
}

func TestTheCollectorWorksBeforeTheKernelKills(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		for _, w := range ours(objects) {
			c := w.pod.Spec.Containers[0]
			mebibytes, err := strconv.ParseInt(strings.TrimSuffix(environment(objects, c)["GOMEMLIMIT"], "MiB"), 10, 64)
			if err != nil {
				t.Fatalf("%s: GOMEMLIMIT: %v", w.name, err)
			}
			limit := c.Resources.Limits.Memory().Value() >> 20
			if share := mebibytes * 100 / limit; share < 85 || share > 95 {
				t.Errorf("%s: GOMEMLIMIT is %d %% of the limit of %d MiB", w.name, share, limit)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() {
				t.Errorf("%s: asks for nothing", w.name)
			}
		}
	})
}

func TestSelectorsFindOurPods(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		for name, selector := range selectors(t, objects) {
			found := 0
			for _, w := range podsOf(objects) {
				if selector.Matches(labels.Set(w.pod.Labels)) {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%s finds the pods of %d workloads", name, found)
			}
		}
	})
}

// podsOf are all pods that stay.
func podsOf(objects []runtime.Object) []workload {
	var all []workload
	for _, d := range of[*apps.Deployment](objects) {
		all = append(all, workload{d.Name, d.Spec.Template})
	}
	for _, s := range of[*apps.StatefulSet](objects) {
		all = append(all, workload{s.Name, s.Spec.Template})
	}
	return all
}

func selectors(t *testing.T, objects []runtime.Object) map[string]labels.Selector {
	t.Helper()
	all := map[string]labels.Selector{}
	add := func(name string, s *meta.LabelSelector) {
		selector, err := meta.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = selector
	}
	for _, s := range of[*core.Service](objects) {
		all["Service "+s.Name] = labels.SelectorFromSet(s.Spec.Selector)
	}
	for _, b := range of[*policy.PodDisruptionBudget](objects) {
		add("PodDisruptionBudget "+b.Name, b.Spec.Selector)
	}
	for _, d := range of[*apps.Deployment](objects) {
		add("Deployment "+d.Name, d.Spec.Selector)
		for _, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
			add("spread of "+d.Name+" over "+c.TopologyKey, c.LabelSelector)
		}
	}
	return all
}

func TestWhoScalesIsAlone(t *testing.T) {
	for overlay, scaled := range map[string][]string{"prod": {"tandem-api"}, "keda": {"tandem-api", "tandem-worker"}} {
		objects := render(t, overlay)
		var targets []string
		for _, h := range of[*autoscaling.HorizontalPodAutoscaler](objects) {
			targets = append(targets, h.Spec.ScaleTargetRef.Name)
		}
		for _, s := range of[*keda.ScaledObject](objects) {
			targets = append(targets, s.Spec.ScaleTargetRef.Name)
		}
		slices.Sort(targets)
		if !slices.Equal(targets, scaled) {
			t.Errorf("%s: scaled are %v, want %v", overlay, targets, scaled)
		}
		for _, d := range of[*apps.Deployment](objects) {
			if slices.Contains(scaled, d.Name) && d.Spec.Replicas != nil {
				t.Errorf("%s: applying %s would undo what its scaler did", overlay, d.Name)
			}
		}
	}
}

// queues are those of the product, with the variable that says how many of their
// jobs one worker runs at a time.
var queues = map[string]string{
	"email": "EMAIL_CONCURRENCY", "export": "EXPORT_CONCURRENCY", "report": "REPORT_CONCURRENCY", "email-report": "REPORT_CONCURRENCY",
}

func TestKEDACountsEveryPlaceWhereAJobCanWait(t *testing.T) {
	scaled := of[*keda.ScaledObject](render(t, "keda"))
	if len(scaled) != 1 {
		t.Fatalf("%d ScaledObjects", len(scaled))
	}
	known, spec := variables(t), scaled[0].Spec
	lists := map[string]string{}
	for _, trigger := range spec.Triggers {
		lists[trigger.Metadata["listName"]] = trigger.Name
	}
	for queue, concurrency := range queues {
		name := strings.ReplaceAll(queue, "-", "_")
		for _, place := range []string{"wait", "prioritized"} {
			if got := lists["bull:"+queue+":"+place]; got != name+"_"+place {
				t.Errorf("the trigger of bull:%s:%s is %q", queue, place, got)
			}
		}
		term := "(" + name + "_wait + " + name + "_prioritized) / " + known[concurrency].standard
		if !slices.Contains(strings.Split(spec.Advanced.ScalingModifiers.Formula, " + (")[:], strings.TrimPrefix(term, "(")) &&
			!strings.HasPrefix(spec.Advanced.ScalingModifiers.Formula, term) {
			t.Errorf("the formula has no term %q: %s", term, spec.Advanced.ScalingModifiers.Formula)
		}
	}
	if len(spec.Triggers) != 2*len(queues) {
		t.Errorf("%d triggers for %d queues", len(spec.Triggers), len(queues))
	}
}

var redisURLRow = regexp.MustCompile("(?m)^ *\\| `redis_url` \\| `(.+)` \\|$")

// KEDA is told in words what the services read from a URL: the example of the page
// and the one of the manifest are the same server.
func TestKEDAAsksTheRedisOfTheURL(t *testing.T) {
	row := redisURLRow.FindStringSubmatch(read(t, "docs/operations.md"))
	if row == nil {
		t.Fatal("docs/operations.md shows no redis_url")
	}
	example, err := url.Parse(row[1])
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"address": example.Host, "enableTLS": strconv.FormatBool(example.Scheme == "rediss"),
		"username": example.User.Username(), "databaseIndex": strings.TrimPrefix(example.Path, "/"),
	}
	for _, s := range of[*keda.ScaledObject](render(t, "keda")) {
		for _, trigger := range s.Spec.Triggers {
			for name, value := range want {
				if trigger.Metadata[name] != value {
					t.Errorf("%s: %s is %q, want %q as in %s", trigger.Name, name, trigger.Metadata[name], value, example.Redacted())
				}
			}
		}
	}
}

func TestTheServiceMonitorFindsBothServices(t *testing.T) {
	objects := render(t, "monitoring")
	monitors := of[*monitoring.ServiceMonitor](objects)
	if len(monitors) != 1 {
		t.Fatalf("%d ServiceMonitors, want one", len(monitors))
	}
	for _, m := range monitors {
		selector, err := meta.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, s := range of[*core.Service](objects) {
			if selector.Matches(labels.Set(s.Labels)) && s.Spec.Ports[0].Name == m.Spec.Endpoints[0].Port {
				found = append(found, s.Name)
			}
		}
		slices.Sort(found)
		// The alerts look for these names in the label job.
		if !slices.Equal(found, []string{"tandem-api-ops", "tandem-worker"}) {
			t.Errorf("found %v", found)
		}
	}
}
