package build

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/report"
)

// statement is SQL under construction. Text is ours, or an operator's from
// their file; whatever a request or a row said is bound. Parameters are written
// $1, $2, …, which SQLite and PostgreSQL both read.
type statement struct {
	text strings.Builder
	args []any
}

// add appends text.
func (s *statement) add(text ...string) *statement {
	for _, t := range text {
		s.text.WriteString(t)
	}
	return s
}

// bind appends a parameter that stands for value.
func (s *statement) bind(value any) *statement {
	s.args = append(s.args, value)
	return s.add("$", strconv.Itoa(len(s.args)))
}

// oneOf appends the condition that column has one of the values.
func (s *statement) oneOf(column string, values []string) *statement {
	s.add(column, " IN (")
	for i, value := range values {
		if i > 0 {
			s.add(", ")
		}
		s.bind(value)
	}
	return s.add(")")
}

// within appends the condition that column lies in the half-open range.
func (s *statement) within(column string, r report.Range, write timeWriter) *statement {
	s.add(column, " >= ").bind(write(r.Start))
	return s.add(" AND ", column, " < ").bind(write(r.End))
}

// bucket appends an expression for the index of the bucket that column lies
// in. It is a search tree of comparisons: 400 days take 9 of them for each row,
// and it works for whatever type the column has, in every zone.
func (s *statement) bucket(column string, buckets []report.Bucket, write timeWriter) *statement {
	return s.bucketBetween(column, buckets, write, 0, len(buckets))
}

func (s *statement) bucketBetween(column string, buckets []report.Bucket, write timeWriter, low, high int) *statement {
	if high-low <= 1 {
		return s.add(strconv.Itoa(low))
	}
	middle := (low + high) / 2
	s.add("CASE WHEN ", column, " < ").bind(write(buckets[middle].Start)).add(" THEN ")
	s.bucketBetween(column, buckets, write, low, middle).add(" ELSE ")
	return s.bucketBetween(column, buckets, write, middle, high).add(" END")
}

// each runs the statement and calls scan for every row.
func (s *statement) each(ctx context.Context, db Querier, scan func(*sql.Rows) error) (err error) {
	rows, err := db.QueryContext(ctx, s.text.String(), s.args...)
	if err != nil {
		return err
	}
	defer func() {
		if closing := rows.Close(); err == nil {
			err = closing
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// timeWriter turns an instant into what a time column is compared with.
type timeWriter func(time.Time) any

func unixMilli(t time.Time) any { return t.UnixMilli() }

func timeWriterOf(kind report.TimeKind) timeWriter {
	switch kind {
	case report.UnixSecond:
		return func(t time.Time) any { return secondsUp(t).Unix() }
	case report.Timestamp:
		return func(t time.Time) any { return t.UTC() }
	case report.RFC3339:
		return text("2006-01-02T15:04:05")
	case report.DateTime:
		return text(time.DateTime)
	case report.LocalDate:
		return func(t time.Time) any { return dateUp(t) }
	default:
		return unixMilli
	}
}

// text writes an instant in UTC without fraction or zone. Text compares byte by
// byte, and this is a prefix of every way to go on within the same second.
func text(layout string) timeWriter {
	return func(t time.Time) any { return secondsUp(t).UTC().Format(layout) }
}

// secondsUp is the first whole second at or after t: the same rows are below it.
func secondsUp(t time.Time) time.Time {
	if whole := t.Truncate(time.Second); whole.Before(t) {
		return whole.Add(time.Second)
	}
	return t
}

// dateUp is the first day that begins at or after t.
func dateUp(t time.Time) string {
	r := report.Range{Start: t, End: t}
	if r.WholeDays() {
		return t.Format(time.DateOnly)
	}
	y, m, d := t.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}
