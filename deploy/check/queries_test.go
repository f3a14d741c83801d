package check

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// query is one PromQL expression and where it stands.
type query struct{ where, expr string }

func ruleQueries(t *testing.T) []query {
	t.Helper()
	var all []query
	for _, r := range rules(t) {
		all = append(all, query{"rule " + r.Record + r.Alert, r.Expr})
	}
	return all
}

type panel struct {
	Type, Title, Description string
	Targets                  []struct{ Expr string }
	GridPos                  struct{ X, Y, W, H int } `json:"gridPos"`
}

type board struct {
	UID         string
	Panels      []panel
	Annotations struct{ List []struct{ Name, Expr string } }
	Templating  struct {
		List []struct{ Name, Type, Definition string }
	}
}

func dashboard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana/dashboards/tandem.json")), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

var labelValues = regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)

// plain fills in what Grafana does.
var plain = strings.NewReplacer("$__rate_interval", "1m", "$queue", ".*")

func dashboardQueries(t *testing.T) []query {
	t.Helper()
	b := dashboard(t)
	var all []query
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			all = append(all, query{"panel " + p.Title, plain.Replace(target.Expr)})
		}
	}
	for _, a := range b.Annotations.List {
		all = append(all, query{"annotation " + a.Name, plain.Replace(a.Expr)})
	}
	for _, v := range b.Templating.List {
		if m := labelValues.FindStringSubmatch(v.Definition); m != nil {
			all = append(all, query{"variable " + v.Name, fmt.Sprintf("count by (%s) (%s)", m[2], m[1])})
		}
	}
	return all
}

func TestEveryQueryParses(t *testing.T) {
	for _, q := range append(ruleQueries(t), dashboardQueries(t)...) {
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(q.expr); err != nil {
			t.Errorf("%s: %v\n%s", q.where, err, q.expr)
		}
	}
}

// Every series that a query names is in /metrics, or recorded by a rule, with
// every label that the query asks for.
func TestEveryQueryIsAnsweredByOurMetrics(t *testing.T) {
	offered := scrape(t)
	for _, r := range rules(t) {
		if r.Record != "" {
			offered[r.Record] = nil
		}
	}
	offered["up"] = []string{"job", "instance"} // of Prometheus itself
	for _, q := range append(ruleQueries(t), dashboardQueries(t)...) {
		for _, problem := range unanswered(t, q.expr, offered) {
			t.Errorf("%s: %s\n%s", q.where, problem, q.expr)
		}
	}
}

func TestAQueryThatNobodyAnswersIsFound(t *testing.T) {
	offered := map[string][]string{"a_total": {"queue"}, "a:b": nil}
	for expr, want := range map[string]int{
		`sum by (queue) (rate(a_total{job="x"}[5m]))`: 0,
		`a:b / on (anything) a:b`:                     0,
		`b_total`:                                     1,
		`a_total{state="x"}`:                          1,
		`sum by (state) (a_total)`:                    1,
		`sum without (state) (a_total)`:               0,
		`max(b) by (queue) > on (state) a_total`:      2,
	} {
		if problems := unanswered(t, expr, offered); len(problems) != want {
			t.Errorf("%s: found %q, want %d", expr, problems, want)
		}
	}
}

// added are the labels that Prometheus puts on every series.
var added = []string{"job", "instance", labels.MetricName}

// unanswered walks a query. Labels of recorded series are not looked at: the
// queries that record them are.
func unanswered(t *testing.T, expr string, offered map[string][]string) []string {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var problems []string
	lacks := func(series string, wanted []string) {
		has, known := offered[series]
		if !known || strings.Contains(series, ":") {
			return
		}
		for _, label := range wanted {
			if !slices.Contains(has, label) && !slices.Contains(added, label) {
				problems = append(problems, series+" has no label "+label)
			}
		}
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			if _, known := offered[n.Name]; !known {
				problems = append(problems, "nobody offers "+n.Name)
			}
			for _, matcher := range n.LabelMatchers {
				lacks(n.Name, []string{matcher.Name})
			}
		case *parser.AggregateExpr:
			if !n.Without {
				for _, series := range seriesIn(n.Expr) {
					lacks(series, n.Grouping)
				}
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil && n.VectorMatching.On {
				for _, side := range []parser.Expr{n.LHS, n.RHS} {
					if s, direct := side.(*parser.VectorSelector); direct {
						lacks(s.Name, n.VectorMatching.MatchingLabels)
					}
				}
			}
		}
		return nil
	})
	return problems
}

func seriesIn(expr parser.Expr) []string {
	var names []string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			names = append(names, s.Name)
		}
		return nil
	})
	return names
}

func TestTheBoardCanBeReadByAStranger(t *testing.T) {
	b := dashboard(t)
	if b.UID == "" {
		t.Error("without a uid every import makes another board")
	}
	taken := map[[2]int]string{}
	for _, p := range b.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				place := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, there := taken[place]; there {
					t.Fatalf("panels %q and %q overlap", other, p.Title)
				}
				taken[place] = p.Title
			}
		}
	}
	for _, wanted := range []string{"Throughput by type", "Wait: p50 and p95", "Run: p50 and p95", "Backlog age", "Failures by type", "Slots in use", "Policy and persistence"} {
		if !slices.ContainsFunc(b.Panels, func(p panel) bool { return p.Title == wanted }) {
			t.Errorf("there is no panel %q", wanted)
		}
	}
}
