package dataset

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Reader runs statements on the databases that datasets are in.
type Reader struct {
	own, operators *sql.DB
}

// NewReader takes the service's own database and the operator's; nil means that
// theirs is in the service's own.
//
// A cursor keeps one connection for as long as a file takes to make, so a pool
// that may open only one connection would make everybody else wait.
func NewReader(own, operators *sql.DB) *Reader {
	return &Reader{own: own, operators: cmp.Or(operators, own)}
}

// of is the database that a dataset is in.
func (r *Reader) of(d *Dataset) *sql.DB {
	if d.Operators {
		return r.operators
	}
	return r.own
}

// Open starts a read-only transaction for a statement, so that Count and Rows
// speak of the same rows where the database can promise that. Close the cursor.
func (r *Reader) Open(ctx context.Context, s *Statement) (*Cursor, error) {
	tx, err := r.of(s.Dataset).BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return nil, fmt.Errorf("read %s: begin: %w", s.Dataset.Name, err)
	}
	return &Cursor{tx: tx, statement: s}, nil
}

// Check runs every dataset for no rows, so that a SELECT which does not run, or
// misses a column, shows when the service starts. The error lists all of them.
func (r *Reader) Check(ctx context.Context, c *Catalogue) error {
	var errs []error
	for i := range c.sets {
		if err := r.check(ctx, &c.sets[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (r *Reader) check(ctx context.Context, d *Dataset) error {
	rows, err := r.of(d).QueryContext(ctx, "SELECT * FROM (\n"+d.Select+"\n) AS d WHERE 1 = 0")
	if err != nil {
		return fmt.Errorf("dataset %s: %w", d.Name, err)
	}
	defer rows.Close()
	have, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("dataset %s: %w", d.Name, err)
	}
	var missing []string
	for _, name := range d.needed() {
		if !slices.Contains(have, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("dataset %s: its SELECT has no column %s", d.Name, strings.Join(missing, ", "))
	}
	return rows.Err()
}

// needed lists the columns of the SELECT that the dataset relies on.
func (d *Dataset) needed() []string {
	var names []string
	for _, c := range d.Columns {
		names = append(names, c.From)
	}
	for _, forced := range []string{d.Tenant, d.Owner} {
		if forced != None {
			names = append(names, forced)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Cursor reads the rows of one statement. It is for one goroutine.
type Cursor struct {
	tx        *sql.Tx
	statement *Statement
}

// Close ends the transaction. It may be called again.
func (c *Cursor) Close() error {
	if err := c.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("read %s: end: %w", c.statement.Dataset.Name, err)
	}
	return nil
}

// Count is how many rows Rows gives.
func (c *Cursor) Count(ctx context.Context) (int64, error) {
	var n int64
	err := c.tx.QueryRowContext(ctx, c.statement.CountSQL, c.statement.Args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", c.statement.Dataset.Name, meaning(err))
	}
	return n, nil
}

// Rows yields one row after the other, a value for each of the statement's
// Columns, of the Go types listed at Type, or nil. The slice is reused: copy
// what has to outlive the step. After an error nothing follows.
func (c *Cursor) Rows(ctx context.Context) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		if err := c.each(ctx, func(row []any) bool { return yield(row, nil) }); err != nil {
			yield(nil, fmt.Errorf("read %s: %w", c.statement.Dataset.Name, because(ctx, meaning(err))))
		}
	}
}

func (c *Cursor) each(ctx context.Context, yield func([]any) bool) error {
	rows, err := c.tx.QueryContext(ctx, c.statement.SQL, c.statement.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := newRow(c.statement.Columns)
	for rows.Next() {
		if ctx.Err() != nil { // a driver may notice only later
			return ctx.Err()
		}
		if err := rows.Scan(row.into...); err != nil {
			return err
		}
		if err := row.convert(); err != nil {
			return err
		}
		if !yield(row.values) {
			return nil
		}
	}
	return rows.Err()
}

// because adds why a context was cancelled to an error that came of it: a
// driver says only that it was.
func because(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}

// row is the one place that rows are scanned into.
type row struct {
	columns []Column
	scanned []any
	into    []any // pointers to scanned
	values  []any
}

func newRow(columns []Column) *row {
	r := &row{
		columns: columns,
		scanned: make([]any, len(columns)),
		into:    make([]any, len(columns)),
		values:  make([]any, len(columns)),
	}
	for i := range r.scanned {
		r.into[i] = &r.scanned[i]
	}
	return r
}

func (r *row) convert() error {
	for i, column := range r.columns {
		value, err := typed(column, r.scanned[i])
		if err != nil {
			return fmt.Errorf("column %s: %w", column.Name, err)
		}
		r.values[i] = value
	}
	return nil
}
