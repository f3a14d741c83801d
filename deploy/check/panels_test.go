package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// faultless are the panels that show nothing as long as the API makes no mistake.
var faultless = []string{"API faults, 1 h", "Faults by route"}

// A real Prometheus scrapes the real programs, with our rules, and is asked what
// each panel of the board asks. Grafana itself is not needed for that.
func TestEveryPanelShowsSomething(t *testing.T) {
	if _, err := exec.LookPath("prometheus"); err != nil {
		missing(t, "prometheus (Debian's package prometheus)")
	}
	api, worker := programs(t)
	address := "127.0.0.1:" + freePort(t)
	start(t, nil, "prometheus", "--config.file="+prometheusConfig(t, api, worker),
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address="+address)
	for _, p := range dashboard(t).Panels {
		for _, target := range p.Targets {
			if slices.Contains(faultless, p.Title) {
				continue
			}
			answers(t, fmt.Sprintf("panel %q with %s", p.Title, target.Expr), func() error {
				return shows(t, address, plain.Replace(target.Expr))
			})
		}
	}
}

// prometheusConfig is deploy/prometheus/prometheus.yml for programs that are here,
// looked at every second.
func prometheusConfig(t *testing.T, api, worker string) string {
	t.Helper()
	rules, err := filepath.Abs(root + "/deploy/prometheus/tandem.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - {job_name: tandem-api, static_configs: [{targets: [%q]}]}
  - {job_name: tandem-worker, static_configs: [{targets: [%q]}]}
`, rules, api, worker)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shows is nil if a query has a result.
func shows(t *testing.T, prometheus, expr string) error {
	t.Helper()
	var page bytes.Buffer
	if err := get(t, "http://"+prometheus+"/api/v1/query?"+url.Values{"query": {expr}}.Encode(), &page); err != nil {
		return err
	}
	var answer struct{ Data struct{ Result []any } }
	if err := json.Unmarshal(page.Bytes(), &answer); err != nil {
		return err
	}
	if len(answer.Data.Result) == 0 {
		return errors.New("nothing to show")
	}
	return nil
}
