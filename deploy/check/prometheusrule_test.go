package check

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the files that are made from others")

const ruleHeader = "# Made from deploy/prometheus/tandem.rules.yml by \"go test -update\" in deploy/check.\n"

// The operator wants the rules in an object of its own, kustomize cannot make it,
// and two copies of one truth drift apart: so one is made from the other.
func TestThePrometheusRuleIsMadeFromTheRules(t *testing.T) {
	var rules map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "deploy/prometheus/tandem.rules.yml")), &rules); err != nil {
		t.Fatal(err)
	}
	body, err := yaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
		"metadata": map[string]any{"name": "tandem", "labels": map[string]any{"app.kubernetes.io/name": "tandem"}},
		"spec":     rules,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := ruleHeader + string(body)
	const path = "deploy/k8s/components/monitoring/prometheusrule.yaml"
	if *update {
		if err := os.WriteFile(filepath.Join(root, path), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Errorf("run go test -update: %s", diff)
	}
}
