package dataset

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// DefaultName is the dataset that a query reads when it names none, unless an
// operator's file says otherwise.
const DefaultName = "users"

// Catalogue is a checked set of datasets. It does not change after New, so it
// may be shared.
type Catalogue struct {
	sets        []Dataset // by name
	defaultName string
}

// New checks the datasets and makes a catalogue of them. defaultName may be
// empty: DefaultName. The error joins every mistake.
func New(defaultName string, sets ...Dataset) (*Catalogue, error) {
	c := &Catalogue{defaultName: defaultName}
	if c.defaultName == "" {
		c.defaultName = DefaultName
	}
	var errs []error
	for i, d := range sets {
		d = d.withDefaults()
		if _, taken := c.Dataset(d.Name); taken {
			errs = append(errs, fmt.Errorf("datasets[%d].name: %q is taken by another dataset", i, d.Name))
			continue
		}
		errs = append(errs, d.check(fmt.Sprintf("datasets[%d]", i))...)
		c.sets = append(c.sets, d)
	}
	if _, ok := c.Dataset(c.defaultName); !ok {
		errs = append(errs, fmt.Errorf("default: %q is not one of the datasets: %s", c.defaultName, strings.Join(c.Names(), ", ")))
	}
	slices.SortFunc(c.sets, func(a, b Dataset) int { return strings.Compare(a.Name, b.Name) })
	return c, errors.Join(errs...)
}

// Dataset finds a dataset by name. The result is read-only.
func (c *Catalogue) Dataset(name string) (*Dataset, bool) {
	for i := range c.sets {
		if c.sets[i].Name == name {
			return &c.sets[i], true
		}
	}
	return nil, false
}

// Names lists the datasets.
func (c *Catalogue) Names() []string {
	names := make([]string, len(c.sets))
	for i := range c.sets {
		names[i] = c.sets[i].Name
	}
	return names
}

// Default is the name of the dataset that a query reads when it names none.
func (c *Catalogue) Default() string { return c.defaultName }

// pick finds the dataset that a query names.
func (c *Catalogue) pick(name string) (*Dataset, error) {
	if name == "" {
		name = c.defaultName
	}
	d, ok := c.Dataset(name)
	if !ok {
		return nil, jobs.Invalid("query.dataset", "no such dataset; there are %s", strings.Join(c.Names(), ", "))
	}
	return d, nil
}

var (
	datasetName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	columnName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,62}$`)
	sqlName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	selectSQL   = regexp.MustCompile(`(?i)^(SELECT|WITH|VALUES)\b`)
	parameter   = regexp.MustCompile(`\$[0-9]`)
)

// reserved are words of the query language, which a column cannot be called.
var reserved = []string{"dataset", "columns", "where", "orderBy", "limit", "and", "or", "not"}

// check lists what is wrong with a dataset, each mistake with its place.
func (d *Dataset) check(path string) []error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", path, field, fmt.Sprintf(format, args...)))
	}
	if !datasetName.MatchString(d.Name) {
		bad("name", "must match %s", datasetName)
	}
	switch {
	case !selectSQL.MatchString(d.Select):
		bad("select", "must be one SELECT statement")
	case parameter.MatchString(d.Select):
		bad("select", "must not have parameters")
	}
	checkForced(d.Tenant, "tenant", bad)
	checkForced(d.Owner, "owner", bad)
	if len(d.Columns) == 0 {
		bad("columns", "must list at least one column")
	}
	errs = append(errs, d.checkColumns(path)...)
	for i, o := range d.Order {
		if _, ok := d.Column(o.Column); !ok {
			bad(fmt.Sprintf("order[%d]", i), "%q is not a column: %s", o.Column, strings.Join(d.ColumnNames(), ", "))
		}
	}
	return errs
}

// checkForced wants a column named, or None said: forgetting it would show
// everybody's rows to everybody.
func checkForced(column, field string, bad func(field, format string, args ...any)) {
	if column == "" {
		bad(field, "must name the column of the SELECT with the %s's id, or be %q", field, None)
	} else if !sqlName.MatchString(column) {
		bad(field, "must match %s", sqlName)
	}
}

func (d *Dataset) checkColumns(path string) []error {
	var errs []error
	seen := map[string]bool{}
	for i, c := range d.Columns {
		for _, err := range c.check() {
			errs = append(errs, fmt.Errorf("%s.columns[%d].%w", path, i, err))
		}
		if seen[c.Name] {
			errs = append(errs, fmt.Errorf("%s.columns[%d].name: %q is there twice", path, i, c.Name))
		}
		seen[c.Name] = true
	}
	return errs
}

func (c *Column) check() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !columnName.MatchString(c.Name) {
		bad("name: must match %s", columnName)
	}
	if slices.Contains(reserved, c.Name) {
		bad("name: %q is a word of the query language", c.Name)
	}
	if !sqlName.MatchString(c.From) {
		bad("from: must match %s", sqlName)
	}
	if !c.Type.valid() {
		bad("type: must be text, integer, number, boolean, timestamp or date")
	}
	if !c.Stored.valid() {
		bad("stored: must be ms, s or text, or be left out for the database's own type")
	}
	if c.Stored != Native && c.Type != Timestamp && c.Type != Date {
		bad("stored: is only for timestamps and dates")
	}
	return errs
}

func (t Type) valid() bool {
	switch t {
	case Text, Integer, Number, Boolean, Timestamp, Date:
		return true
	default:
		return false
	}
}

func (s Stored) valid() bool {
	switch s {
	case Native, Millis, Seconds, SQLText:
		return true
	default:
		return false
	}
}
