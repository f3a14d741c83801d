package report_test

import (
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/report"
)

func sales(change func(*report.Definition)) report.Definition {
	d := report.Definition{
		Name: "monthly-sales", Title: "Monthly sales", SQL: "SELECT * FROM orders",
		TenantColumn: "account", TimeColumn: "placed_at",
		Measures:   []report.Measure{{Title: "Revenue", Func: report.Sum, Column: "amount"}, {Title: "Orders", Func: report.Count}},
		Dimensions: []report.Dimension{{Title: "Region", Column: "region"}},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func TestDefinitionValidateNamesTheFieldThatIsWrong(t *testing.T) {
	tests := map[string]struct {
		change func(*report.Definition)
		field  string
	}{
		"complete":                  {nil, ""},
		"a WITH query":              {func(d *report.Definition) { d.SQL = "\n with x as (select 1) select * from x" }, ""},
		"a name with a blank":       {func(d *report.Definition) { d.Name = "monthly sales" }, "name"},
		"no title":                  {func(d *report.Definition) { d.Title = " " }, "title"},
		"a title too long":          {func(d *report.Definition) { d.Title = strings.Repeat("é", 81) }, "title"},
		"an update":                 {func(d *report.Definition) { d.SQL = "UPDATE orders SET amount = 0" }, "sql"},
		"two statements":            {func(d *report.Definition) { d.SQL = "SELECT 1; DROP TABLE orders" }, "sql"},
		"no tenant column":          {func(d *report.Definition) { d.TenantColumn = "" }, "tenantColumn"},
		"a tenant column with SQL":  {func(d *report.Definition) { d.TenantColumn = `x" = "x` }, "tenantColumn"},
		"a time column with SQL":    {func(d *report.Definition) { d.TimeColumn = "a) OR (1=1" }, "timeColumn"},
		"an unknown time kind":      {func(d *report.Definition) { d.TimeKind = "epoch" }, "timeKind"},
		"an unknown period":         {func(d *report.Definition) { d.GroupBy = "year" }, "groupBy"},
		"an unknown chart":          {func(d *report.Definition) { d.Chart = "pie" }, "chart"},
		"no measure":                {func(d *report.Definition) { d.Measures = nil }, "measures"},
		"a measure with SQL":        {func(d *report.Definition) { d.Measures[0].Column = "amount); --" }, "measures.column"},
		"a sum of nothing":          {func(d *report.Definition) { d.Measures[0].Column = "" }, "measures.column"},
		"an unknown aggregate":      {func(d *report.Definition) { d.Measures[0].Func = "median" }, "measures.func"},
		"an unknown format":         {func(d *report.Definition) { d.Measures[0].Format = "money" }, "measures.format"},
		"a measure without a title": {func(d *report.Definition) { d.Measures[0].Title = "" }, "measures.title"},
		"a dimension with SQL":      {func(d *report.Definition) { d.Dimensions[0].Column = "region, 1" }, "dimensions.column"},
		"too many dimensions": {func(d *report.Definition) {
			d.Dimensions = make([]report.Dimension, 4)
		}, "dimensions"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := field(sales(tt.change).Validate()); got != tt.field {
				t.Errorf("field = %q, want %q", got, tt.field)
			}
		})
	}
}

func TestCatalogueAddsTheOperatorsReports(t *testing.T) {
	c, err := report.NewCatalogue(sales(nil))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Has("monthly-sales") || !c.Has("usage") || c.Has("") {
		t.Errorf("catalogue holds %v", c.Entries())
	}
}

func TestCatalogueRefusesATakenName(t *testing.T) {
	taken := sales(func(d *report.Definition) { d.Name = report.SLA })
	if _, err := report.NewCatalogue(taken); err == nil {
		t.Error("a definition named sla was accepted")
	}
	if _, err := report.NewCatalogue(sales(nil), sales(nil)); err == nil {
		t.Error("two definitions of one name were accepted")
	}
}
