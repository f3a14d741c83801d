package check

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// ruleFile is a file of Prometheus rules, as far as we look at it.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	Labels              map[string]string
	Annotations         map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file ruleFile
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/tandem.rules.yml")), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var all []rule
	for _, r := range rules(t) {
		if r.Alert != "" {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool(t, "check", "rules", "tandem.rules.yml")
	promtool(t, "check", "config", "--syntax-only", "prometheus.yml")
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	promtool(t, "test", "rules", "tests/tandem_test.yml")
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		missing(t, "promtool (Debian's package prometheus)")
	}
	command := exec.CommandContext(t.Context(), "promtool", args...)
	command.Dir = filepath.Join(root, "deploy/prometheus")
	if said, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

func TestEveryAlertHasAStoryForItAndOneAgainst(t *testing.T) {
	var stories struct {
		Tests []struct {
			Alerts []struct {
				Name     string `json:"alertname"`
				Expected []any  `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/tests/tandem_test.yml")), &stories); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, story := range stories.Tests {
		for _, a := range story.Alerts {
			fires[a.Name] = fires[a.Name] || len(a.Expected) > 0
			silent[a.Name] = silent[a.Name] || len(a.Expected) == 0
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] {
			t.Errorf("no story shows %s firing", a.Alert)
		}
		// Those whose story has a second series that must not fire show both at once.
		if !silent[a.Alert] && !strings.Contains("TandemQueuePaused TandemFailedRatio", a.Alert) {
			t.Errorf("no story shows %s silent", a.Alert)
		}
	}
}

func TestEveryAlertHasARunbook(t *testing.T) {
	text := read(t, "docs/operations.md")
	for _, a := range alerts(t) {
		if !strings.Contains(text, "\n### "+a.Alert+"\n") {
			t.Errorf("docs/operations.md has no section %s", a.Alert)
		}
		if want := "docs/operations.md#" + strings.ToLower(a.Alert); !strings.HasSuffix(a.Annotations["runbook_url"], want) {
			t.Errorf("%s: runbook_url does not end in %s", a.Alert, want)
		}
		if severity := a.Labels["severity"]; severity != "page" && severity != "ticket" {
			t.Errorf("%s: severity %q", a.Alert, severity)
		}
	}
}
