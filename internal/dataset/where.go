package dataset

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// condition is a checked part of a where: only columns of the catalogue and
// values to bind.
type condition interface {
	write(b *builder)
}

// compare is column operator value.
type compare struct {
	column Column
	op     string // one of the catalogue's own operators, never a caller's text
	value  any
}

// within is column IN (values).
type within struct {
	column Column
	values []any
}

// match is a LIKE that does not mind upper and lower case, which the
// databases would otherwise decide differently. SQLite knows those of A to Z.
type match struct {
	column  Column
	pattern string
}

// absent is column IS NULL, or IS NOT NULL.
type absent struct {
	column  Column
	negated bool
}

// group joins conditions by AND or OR; it is never empty.
type group struct {
	joiner string
	parts  []condition
}

// negation is true for every row for which part is not, NULLs included.
type negation struct{ part condition }

// whereParser turns JSON into conditions on one dataset.
type whereParser struct {
	dataset *Dataset
	count   int
}

// parse reads an object whose members all have to hold. Members are taken by
// name, so that equal queries make equal SQL.
func (p *whereParser) parse(raw json.RawMessage, path string, depth int) (condition, error) {
	if depth > MaxDepth {
		return nil, jobs.Invalid(path, "is nested more than %d levels deep", MaxDepth)
	}
	members, err := object(raw, path)
	if err != nil {
		return nil, err
	}
	var parts []condition
	for _, key := range slices.Sorted(maps.Keys(members)) {
		part, err := p.member(key, members[key], path, depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return all(parts), nil
}

func (p *whereParser) member(key string, raw json.RawMessage, path string, depth int) (condition, error) {
	at := path + "." + shown(key)
	switch key {
	case "and":
		return p.list(" AND ", raw, at, depth)
	case "or":
		return p.list(" OR ", raw, at, depth)
	case "not":
		part, err := p.parse(raw, at, depth+1)
		return negation{part}, err
	}
	column, ok := p.dataset.Column(key)
	if !ok {
		return nil, jobs.Invalid(at, "%s has no such column; it has %s", p.dataset.Name, strings.Join(p.dataset.ColumnNames(), ", "))
	}
	return p.column(column, raw, at)
}

func (p *whereParser) list(joiner string, raw json.RawMessage, at string, depth int) (condition, error) {
	items, err := array(raw, at)
	if err != nil {
		return nil, err
	}
	parts := make([]condition, len(items))
	for i, item := range items {
		if parts[i], err = p.parse(item, fmt.Sprintf("%s[%d]", at, i), depth+1); err != nil {
			return nil, err
		}
	}
	return group{joiner, parts}, nil
}

// column reads a value, which has to be equal, or an object of operators,
// which all have to hold.
func (p *whereParser) column(column Column, raw json.RawMessage, at string) (condition, error) {
	if !isObject(raw) {
		return p.operator(column, "eq", raw, at)
	}
	members, err := object(raw, at)
	if err != nil {
		return nil, err
	}
	if len(members) == 0 {
		return nil, jobs.Invalid(at, "must have one of %s", operatorNames(column))
	}
	var parts []condition
	for _, name := range slices.Sorted(maps.Keys(members)) {
		part, err := p.operator(column, name, members[name], at+"."+shown(name))
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return all(parts), nil
}

func (p *whereParser) operator(column Column, name string, raw json.RawMessage, at string) (condition, error) {
	if p.count++; p.count > MaxConditions {
		return nil, jobs.Invalid(at, "is one condition too many; there may be %d", MaxConditions)
	}
	if !slices.Contains(operators(column), name) {
		return nil, jobs.Invalid(at, "no such operator; a %s column has %s", column.Type, operatorNames(column))
	}
	switch name {
	case "null":
		return nullTest(column, raw, at)
	case "in":
		return inList(column, raw, at)
	case "like":
		return pattern(column, raw, at)
	default:
		return comparison(column, name, raw, at)
	}
}

// sqlOperators spells the operators that compare with one value. DISTINCT FROM
// makes ne what a caller means: a row without a value differs from any value.
var sqlOperators = map[string]string{
	"eq": "=", "ne": "IS DISTINCT FROM", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=",
}

// operators lists what can be asked of a column.
func operators(column Column) []string {
	names := []string{"eq", "ne", "in", "null"}
	if column.Type != Boolean {
		names = append(names, "lt", "lte", "gt", "gte")
	}
	if column.Type == Text {
		names = append(names, "like")
	}
	return names
}

func operatorNames(column Column) string { return strings.Join(operators(column), ", ") }

func comparison(column Column, name string, raw json.RawMessage, at string) (condition, error) {
	value, err := literal(column, raw, at)
	if err != nil {
		return nil, err
	}
	if moment, ok := value.(time.Time); ok {
		return compareTime(column, name, moment), nil
	}
	if value != nil {
		return compare{column, sqlOperators[name], value}, nil
	}
	switch name {
	case "eq":
		return absent{column: column}, nil
	case "ne":
		return absent{column: column, negated: true}, nil
	default:
		return nil, jobs.Invalid(at, "must not be null")
	}
}

func nullTest(column Column, raw json.RawMessage, at string) (condition, error) {
	value, err := scalar(raw)
	wanted, ok := value.(bool)
	if err != nil || !ok {
		return nil, jobs.Invalid(at, "must be true or false")
	}
	return absent{column: column, negated: !wanted}, nil
}

func inList(column Column, raw json.RawMessage, at string) (condition, error) {
	items, err := array(raw, at)
	if err != nil {
		return nil, err
	}
	if len(items) > MaxIn {
		return nil, jobs.Invalid(at, "must have at most %d values", MaxIn)
	}
	values := make([]any, 0, len(items))
	for i, item := range items {
		place := fmt.Sprintf("%s[%d]", at, i)
		value, err := literal(column, item, place)
		if err != nil {
			return nil, err
		}
		switch value := value.(type) {
		case nil:
			return nil, jobs.Invalid(place, "must not be null")
		case time.Time:
			values = append(values, spellings(column, value)...)
		default:
			values = append(values, value)
		}
	}
	return within{column, values}, nil
}

func pattern(column Column, raw json.RawMessage, at string) (condition, error) {
	text, err := stringOf(raw, at)
	if err != nil {
		return nil, jobs.Invalid(at, "must be a text, with %% for any text and _ for any character")
	}
	if len(text) > maxLike {
		return nil, jobs.Invalid(at, "must be at most %d bytes", maxLike)
	}
	if err := checkText(text, at); err != nil {
		return nil, err
	}
	if strings.HasSuffix(strings.ReplaceAll(text, `\\`, ""), `\`) {
		return nil, jobs.Invalid(at, `must not end in \, which takes the meaning from the %% or _ after it`)
	}
	return match{column, text}, nil
}

// all is the conditions joined by AND: nothing for none, itself for one.
func all(parts []condition) condition {
	switch len(parts) {
	case 0:
		return always{}
	case 1:
		return parts[0]
	default:
		return group{" AND ", parts}
	}
}

// always holds for every row: an empty where.
type always struct{}

func isObject(raw json.RawMessage) bool {
	return strings.HasPrefix(strings.TrimLeft(string(raw), " \t\r\n"), "{")
}
