package report

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// Definition is a report that an operator adds over their own database, as
// monthly sales by region. Everything in it comes from the operator's file and
// nothing from a request: a request chooses the name, the range and the tenant.
type Definition struct {
	Name        string `yaml:"name"`
	Title       string `yaml:"title"`
	Description string `yaml:"description"`

	// SQL is one SELECT without parameters. It is wrapped, never edited: rows
	// are kept where TenantColumn is the tenant and TimeColumn is in the range.
	SQL          string   `yaml:"sql"`
	TenantColumn string   `yaml:"tenantColumn"`
	TimeColumn   string   `yaml:"timeColumn"`
	TimeKind     TimeKind `yaml:"timeKind"` // empty is UnixMilli

	GroupBy    Period      `yaml:"groupBy"` // empty is Day
	Measures   []Measure   `yaml:"measures"`
	Dimensions []Dimension `yaml:"dimensions"`
	Chart      ChartKind   `yaml:"chart"` // empty is BarChart
}

// TimeKind says how a time column stores time, and so how a bound is written.
type TimeKind string

// The kinds of time column.
const (
	UnixMilli  TimeKind = "unix_ms"   // whole milliseconds since 1970
	UnixSecond TimeKind = "unix"      // whole seconds since 1970
	Timestamp  TimeKind = "timestamp" // the database's own type, bound by its driver
	RFC3339    TimeKind = "rfc3339"   // text in UTC, 2026-01-31T09:30:00Z
	DateTime   TimeKind = "datetime"  // text in UTC, 2026-01-31 09:30:00
	LocalDate  TimeKind = "date"      // a date, or text like 2026-01-31: a day of the tenant
)

// Measure is one number of each group of rows.
type Measure struct {
	Title  string        `yaml:"title"`
	Func   Aggregate     `yaml:"func"`
	Column string        `yaml:"column"` // empty is allowed for Count: it counts rows
	Format MeasureFormat `yaml:"format"` // empty is AsCount for Count, else AsDecimal
	Unit   string        `yaml:"unit"`   // shown beside the number: EUR, kg
}

// Aggregate is what a measure does with its column.
type Aggregate string

// The aggregates. Count counts the rows whose column has a value.
const (
	Sum   Aggregate = "sum"
	Count Aggregate = "count"
	Avg   Aggregate = "avg"
)

// MeasureFormat says how a measure's number is written.
type MeasureFormat string

// The formats of a measure.
const (
	AsCount    MeasureFormat = "count"    // 1,234
	AsDecimal  MeasureFormat = "decimal"  // 1,234.56
	AsPercent  MeasureFormat = "percent"  // 0.125 is 12.5 %
	AsDuration MeasureFormat = "duration" // milliseconds
)

// Dimension is a column by whose values the measures are broken down.
type Dimension struct {
	Title  string `yaml:"title"`
	Column string `yaml:"column"`
}

// ChartKind is how the measures are drawn over time.
type ChartKind string

// The kinds of chart. Bars and areas of the first dimension are stacked.
const (
	BarChart  ChartKind = "bar"
	LineChart ChartKind = "line"
	AreaChart ChartKind = "area"
	NoChart   ChartKind = "none"
)

const (
	maxMeasures   = 6
	maxDimensions = 3
	maxSQL        = 32 << 10
	maxTitle      = 80
)

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	columnPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	selectPattern = regexp.MustCompile(`(?i)^\s*(select|with)\s`)
)

// Validate reports the first thing that is wrong with the definition.
func (d Definition) Validate() error {
	if !namePattern.MatchString(d.Name) {
		return jobs.Invalid("name", "must be 1 to 64 small letters, digits, dashes or underscores, and begin with a letter or digit")
	}
	if err := checkTitle("title", d.Title); err != nil {
		return err
	}
	if err := d.checkSource(); err != nil {
		return err
	}
	if err := d.checkMeasures(); err != nil {
		return err
	}
	return d.checkDimensions()
}

func (d Definition) checkSource() error {
	switch {
	case !selectPattern.MatchString(d.SQL):
		return jobs.Invalid("sql", "must be a SELECT")
	case len(d.SQL) > maxSQL:
		return jobs.Invalid("sql", "must be at most %d bytes", maxSQL)
	case strings.Contains(d.SQL, ";"):
		return jobs.Invalid("sql", "must be one statement without a semicolon")
	case !columnPattern.MatchString(d.TenantColumn):
		return jobs.Invalid("tenantColumn", "must name the column that holds the tenant")
	case !columnPattern.MatchString(d.TimeColumn):
		return jobs.Invalid("timeColumn", "must name the column that holds the time")
	case !oneOf(d.TimeKind, "", UnixMilli, UnixSecond, Timestamp, RFC3339, DateTime, LocalDate):
		return jobs.Invalid("timeKind", "must be unix_ms, unix, timestamp, rfc3339, datetime or date")
	case d.GroupBy != "" && !d.GroupBy.Valid():
		return jobs.Invalid("groupBy", "must be day, week or month")
	case !oneOf(d.Chart, "", BarChart, LineChart, AreaChart, NoChart):
		return jobs.Invalid("chart", "must be bar, line, area or none")
	}
	return nil
}

func (d Definition) checkMeasures() error {
	if len(d.Measures) == 0 || len(d.Measures) > maxMeasures {
		return jobs.Invalid("measures", "must be 1 to %d", maxMeasures)
	}
	for _, m := range d.Measures {
		if err := m.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (m Measure) validate() error {
	rowCount := m.Func == Count && m.Column == ""
	switch {
	case !oneOf(m.Func, Sum, Count, Avg):
		return jobs.Invalid("measures.func", "must be sum, count or avg")
	case !rowCount && !columnPattern.MatchString(m.Column):
		return jobs.Invalid("measures.column", "must name a column")
	case !oneOf(m.Format, "", AsCount, AsDecimal, AsPercent, AsDuration):
		return jobs.Invalid("measures.format", "must be count, decimal, percent or duration")
	case len(m.Unit) > 12:
		return jobs.Invalid("measures.unit", "must be at most 12 bytes")
	}
	return checkTitle("measures.title", m.Title)
}

func (d Definition) checkDimensions() error {
	if len(d.Dimensions) > maxDimensions {
		return jobs.Invalid("dimensions", "must be at most %d", maxDimensions)
	}
	for _, dimension := range d.Dimensions {
		if !columnPattern.MatchString(dimension.Column) {
			return jobs.Invalid("dimensions.column", "must name a column")
		}
		if err := checkTitle("dimensions.title", dimension.Title); err != nil {
			return err
		}
	}
	return nil
}

func checkTitle(field, title string) error {
	if strings.TrimSpace(title) == "" || len([]rune(title)) > maxTitle {
		return jobs.Invalid(field, "must be 1 to %d characters", maxTitle)
	}
	return nil
}

func oneOf[T comparable](value T, allowed ...T) bool { return slices.Contains(allowed, value) }
