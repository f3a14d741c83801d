package dataset

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// Scope says whose rows a request may read. The zero value is the narrow one.
type Scope int

const (
	// OwnRows are those whose owner is the request's user.
	OwnRows Scope = iota
	// AllRows are those of every user of the request's tenant. The caller must
	// have checked that the API key has AllRowsPermission.
	AllRows
)

// AllRowsPermission is the scope that an API key needs to read AllRows.
const AllRowsPermission = "exports:all"

// Request is a query and who asks.
type Request struct {
	Query    json.RawMessage // see the package comment; empty selects everything
	UserID   string          // required, unless the scope is AllRows
	TenantID string          // empty: the deployment does not tell tenants apart
	Scope    Scope
}

// Statement is a query ready to run. SQL and CountSQL take the same Args.
type Statement struct {
	Dataset  *Dataset
	Columns  []Column // what each value of a row is
	SQL      string
	CountSQL string // how many rows SQL gives
	Args     []any
}

// Compile checks a request against the catalogue and makes its SQL. The same
// request makes the same statement. The error is a jobs.ValidationError.
func (c *Catalogue) Compile(req Request) (*Statement, error) {
	q, err := parseQuery(req.Query)
	if err != nil {
		return nil, err
	}
	d, err := c.pick(q.dataset)
	if err != nil {
		return nil, err
	}
	columns, err := d.selected(q.columns)
	if err != nil {
		return nil, err
	}
	order, err := d.ordered(q.orderBy)
	if err != nil {
		return nil, err
	}
	conditions, err := d.conditions(req, q)
	if err != nil {
		return nil, err
	}
	return assemble(d, columns, conditions, order, q.limit), nil
}

// selected looks the columns up; none named is all of them.
func (d *Dataset) selected(names []string) ([]Column, error) {
	if len(names) == 0 {
		return d.Columns, nil
	}
	columns := make([]Column, 0, len(names))
	seen := map[string]bool{}
	for i, name := range names {
		column, err := d.lookup(name, fmt.Sprintf("query.columns[%d]", i))
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, jobs.Invalid(fmt.Sprintf("query.columns[%d]", i), "%s is there twice", name)
		}
		seen[name] = true
		columns = append(columns, column)
	}
	return columns, nil
}

func (d *Dataset) lookup(name, field string) (Column, error) {
	column, ok := d.Column(name)
	if !ok {
		return Column{}, jobs.Invalid(field, "%s has no column %s; it has %s", d.Name, shown(name), strings.Join(d.ColumnNames(), ", "))
	}
	return column, nil
}

// sortKey is an Order with its column looked up.
type sortKey struct {
	column Column
	desc   bool
}

// ordered puts the dataset's own order after the query's, so that rows which
// the query does not tell apart still come in the same order every time.
func (d *Dataset) ordered(orders []Order) ([]sortKey, error) {
	var keys []sortKey
	seen := map[string]bool{}
	for i, order := range append(orders, d.Order...) {
		column, err := d.lookup(order.Column, fmt.Sprintf("query.orderBy[%d]", i))
		if err != nil {
			return nil, err
		}
		if !seen[column.Name] {
			keys = append(keys, sortKey{column, order.Desc})
		}
		seen[column.Name] = true
	}
	return keys, nil
}

// conditions are the forced ones, then the query's own.
func (d *Dataset) conditions(req Request, q query) ([]condition, error) {
	forced, err := d.forced(req)
	if err != nil || len(q.where) == 0 {
		return forced, err
	}
	parser := whereParser{dataset: d}
	where, err := parser.parse(q.where, q.at, 1)
	if err != nil {
		return nil, err
	}
	return append(forced, where), nil
}

// forced are the conditions that no query can widen.
func (d *Dataset) forced(req Request) ([]condition, error) {
	var conditions []condition
	if req.TenantID != "" && d.Tenant != None {
		conditions = append(conditions, compare{Column{From: d.Tenant}, "=", req.TenantID})
	}
	if req.Scope == AllRows {
		return conditions, nil
	}
	if d.Owner == None {
		return nil, jobs.Invalid("query.dataset", "%s has no rows that belong to one user; it needs the scope %s", d.Name, AllRowsPermission)
	}
	if req.UserID == "" {
		return nil, jobs.Invalid("userId", "must not be empty")
	}
	if err := checkText(req.UserID, "userId"); err != nil {
		return nil, err
	}
	return append(conditions, compare{Column{From: d.Owner}, "=", req.UserID}), nil
}

// assemble writes the statement.
//
//	SELECT d."id", d."amount" FROM (<the dataset's SELECT>) AS d
//	WHERE d."owner" = $1 AND d."amount" >= CAST($2 AS BIGINT) ORDER BY d."placed_at" DESC LIMIT $3
func assemble(d *Dataset, columns []Column, conditions []condition, order []sortKey, limit int64) *Statement {
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.quoted()
	}
	var source builder
	source.from(d, conditions)
	tail := source.limit(limit)
	return &Statement{
		Dataset:  d,
		Columns:  columns,
		SQL:      "SELECT " + strings.Join(names, ", ") + source.text.String() + orderSQL(order) + tail,
		CountSQL: "SELECT COUNT(*) FROM (SELECT 1 AS one" + source.text.String() + tail + ") AS counted",
		Args:     source.args,
	}
}

func orderSQL(keys []sortKey) string {
	if len(keys) == 0 {
		return ""
	}
	parts := make([]string, len(keys))
	for i, key := range keys {
		parts[i] = key.column.quoted()
		if key.desc {
			parts[i] += " DESC"
		}
	}
	return " ORDER BY " + strings.Join(parts, ", ")
}

// builder collects SQL text, and the values that the text refers to by $n.
type builder struct {
	text strings.Builder
	args []any
}

func (b *builder) put(parts ...string) {
	for _, part := range parts {
		b.text.WriteString(part)
	}
}

// bind is the only way of a value into a statement. On PostgreSQL a number would
// get the type of its column, which may be too small for it, or be cut to it.
func (b *builder) bind(value any) {
	b.args = append(b.args, value)
	parameter := "$" + strconv.Itoa(len(b.args))
	switch value.(type) {
	case int64:
		parameter = "CAST(" + parameter + " AS BIGINT)"
	case float64:
		parameter = "CAST(" + parameter + " AS NUMERIC)"
	}
	b.put(parameter)
}

// from writes FROM and WHERE. The line breaks end a comment that an operator's
// SELECT may end in.
func (b *builder) from(d *Dataset, conditions []condition) {
	b.put(" FROM (\n", d.Select, "\n) AS d")
	if len(conditions) == 0 {
		return
	}
	b.put(" WHERE ")
	group{" AND ", conditions}.join(b)
}

func (b *builder) limit(n int64) string {
	if n == 0 {
		return ""
	}
	b.args = append(b.args, n)
	return " LIMIT $" + strconv.Itoa(len(b.args))
}

// quoted is the column as SQL text; its name was checked when the catalogue
// was made and has no quote in it.
func (c Column) quoted() string { return `d."` + c.From + `"` }

// comparable is the column as it is compared with values. A fraction meets what
// people see of a number: 0.1 in a column of single precision is 0.1, and not the
// 0.10000000149 that it is stored as.
func (c Column) comparable(values ...any) string {
	for _, value := range values {
		if _, fraction := value.(float64); fraction {
			return "CAST(" + c.quoted() + " AS NUMERIC)"
		}
	}
	return c.quoted()
}

func (c compare) write(b *builder) {
	b.put(c.column.comparable(c.value), " ", c.op, " ")
	b.bind(c.value)
}

func (c within) write(b *builder) {
	b.put(c.column.comparable(c.values...), " IN (")
	for i, value := range c.values {
		if i > 0 {
			b.put(", ")
		}
		b.bind(value)
	}
	b.put(")")
}

func (c match) write(b *builder) {
	b.put("LOWER(", c.column.quoted(), ") LIKE LOWER(")
	b.bind(c.pattern)
	b.put(`) ESCAPE '\'`)
}

func (c absent) write(b *builder) {
	b.put(c.column.quoted(), " IS ")
	if c.negated {
		b.put("NOT ")
	}
	b.put("NULL")
}

func (c group) write(b *builder) {
	b.put("(")
	c.join(b)
	b.put(")")
}

func (c group) join(b *builder) {
	for i, part := range c.parts {
		if i > 0 {
			b.put(c.joiner)
		}
		part.write(b)
	}
}

func (c negation) write(b *builder) {
	b.put("(")
	c.part.write(b)
	b.put(") IS NOT TRUE")
}

func (always) write(b *builder) { b.put("1 = 1") }
