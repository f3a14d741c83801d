package check

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

var findingCode = regexp.MustCompile(`\b(fault|hint)\("(\w+)"`)

// toldElsewhere are findings with an alert of another name, or that cost no jobs.
var toldElsewhere = map[string]string{
	"fault loading": "TandemRedisDown: the counts of the queues cannot be read",
	"hint memory":   "TandemRedisMemory, and earlier",
	"hint version":  "works, but is old",
}

// What the api can find about Redis has an alert, whose runbook explains it.
func TestEveryFindingAboutRedisIsToldAndExplained(t *testing.T) {
	alertOf := map[string]string{"fault": "TandemRedisUnfit", "hint": "TandemRedisRisky"}
	severity := map[string]string{"fault": "error", "hint": "warning"}
	found := findingCode.FindAllStringSubmatch(read(t, "internal/jobs/redisconn/facts.go"), -1)
	if len(found) < 15 {
		t.Fatalf("only %d findings in facts.go", len(found))
	}
	for _, f := range found {
		kind, code := f[1], f[2]
		_, elsewhere := toldElsewhere[kind+" "+code]
		if told := fires(t, alertOf[kind], code, severity[kind]); told == elsewhere {
			t.Errorf("%s %s: %s tells it: %t", severity[kind], code, alertOf[kind], told)
		}
		if !elsewhere && !strings.Contains(runbook(t, alertOf[kind]), "`"+code+"`") {
			t.Errorf("the runbook of %s does not explain %s", alertOf[kind], code)
		}
	}
}

// fires says whether an alert looks at a finding.
func fires(t *testing.T, alert, code, severity string) bool {
	t.Helper()
	all := alerts(t)
	at := slices.IndexFunc(all, func(r rule) bool { return r.Alert == alert })
	if at < 0 {
		t.Fatalf("there is no alert %s", alert)
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(all[at].Expr)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]string{"__name__": "tandem_redis_finding", "code": code, "severity": severity}
	matches := false
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			matches = true
			for _, m := range s.LabelMatchers {
				matches = matches && m.Matches(has[m.Name])
			}
		}
		return nil
	})
	return matches
}

// runbook is the section of an alert in docs/operations.md.
func runbook(t *testing.T, alert string) string {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "docs/operations.md"), "\n### "+alert+"\n")
	text, _, _ = strings.Cut(text, "\n### ")
	return text
}
