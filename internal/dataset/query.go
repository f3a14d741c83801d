package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// Limits on a query. They keep one request from making a statement that takes
// a database longer to plan than to run.
const (
	MaxQuery      = 64 << 10 // bytes of JSON
	MaxDepth      = 8        // of and, or, not
	MaxConditions = 100      // comparisons in all
	MaxIn         = 1000     // values of one in
	MaxOrder      = 8        // keys to sort by
	maxLike       = 256      // bytes of a pattern
)

// query is a caller's JSON, taken apart but not yet looked up.
type query struct {
	dataset string
	columns []string
	where   json.RawMessage
	at      string // the path of where in error messages
	orderBy []Order
	limit   int64 // 0 is none
}

// parseQuery tells the two forms apart. A query with one of the words of the
// long form is long; anything else is a flat object of filters.
func parseQuery(raw json.RawMessage) (query, error) {
	if len(raw) > MaxQuery {
		return query{}, jobs.Invalid("query", "must be at most %d bytes", MaxQuery)
	}
	text := bytes.TrimSpace(raw)
	if len(text) == 0 || string(text) == "null" {
		return query{}, nil
	}
	members, err := object(text, "query")
	if err != nil {
		return query{}, err
	}
	for _, word := range []string{"dataset", "columns", "where", "orderBy", "limit"} {
		if _, long := members[word]; long {
			return parseLong(members)
		}
	}
	return query{where: raw, at: "query"}, nil
}

func parseLong(members map[string]json.RawMessage) (query, error) {
	q := query{at: "query.where"}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		value := members[key]
		var err error
		switch key {
		case "dataset":
			q.dataset, err = stringOf(value, "query.dataset")
		case "columns":
			q.columns, err = stringsOf(value, "query.columns")
		case "where":
			q.where = value
		case "orderBy":
			q.orderBy, err = ordersOf(value)
		case "limit":
			q.limit, err = limitOf(value)
		default:
			err = jobs.Invalid("query."+shown(key), "unknown; a query has dataset, columns, where, orderBy and limit,"+
				" and filters go into where")
		}
		if err != nil {
			return query{}, err
		}
	}
	return q, nil
}

func stringOf(raw json.RawMessage, field string) (string, error) {
	value, err := scalar(raw)
	text, ok := value.(string)
	if err != nil || !ok || text == "" {
		return "", jobs.Invalid(field, "must be a text that is not empty")
	}
	return text, nil
}

func stringsOf(raw json.RawMessage, field string) ([]string, error) {
	items, err := array(raw, field)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(items))
	for i, item := range items {
		if texts[i], err = stringOf(item, fmt.Sprintf("%s[%d]", field, i)); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

// ordersOf reads "-placedAt", or a list of such keys.
func ordersOf(raw json.RawMessage) ([]Order, error) {
	const field = "query.orderBy"
	if key, err := stringOf(raw, field); err == nil {
		return []Order{parseOrder(key)}, nil
	}
	keys, err := stringsOf(raw, field)
	if err != nil {
		return nil, jobs.Invalid(field, `must be a list of columns, like ["status", "-createdAt"] with - for descending`)
	}
	if len(keys) > MaxOrder {
		return nil, jobs.Invalid(field, "must have at most %d columns", MaxOrder)
	}
	orders := make([]Order, len(keys))
	for i, key := range keys {
		orders[i] = parseOrder(key)
	}
	return orders, nil
}

func limitOf(raw json.RawMessage) (int64, error) {
	value, err := scalar(raw)
	number, ok := value.(json.Number)
	if err != nil || !ok {
		return 0, jobs.Invalid("query.limit", "must be a whole number from 1")
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0, jobs.Invalid("query.limit", "must be a whole number from 1 to %d", math.MaxInt32)
	}
	return n, nil
}

// object reads a JSON object, its members untouched.
func object(raw json.RawMessage, field string) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, jobs.Invalid(field, "must be a JSON object")
	}
	return members, nil
}

// array reads a JSON array, its items untouched.
func array(raw json.RawMessage, field string) ([]json.RawMessage, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || len(items) == 0 {
		return nil, jobs.Invalid(field, "must be a list that is not empty")
	}
	return items, nil
}

// scalar reads a text, a number as its digits, a boolean or null.
func scalar(raw json.RawMessage) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	switch value.(type) {
	case map[string]any, []any:
		return nil, fmt.Errorf("not a single value")
	default:
		return value, nil
	}
}

// shown is a caller's key as an error message may repeat it: a plausible name
// as it is, anything else short and quoted.
func shown(key string) string {
	if columnName.MatchString(key) {
		return key
	}
	if len(key) > 40 {
		key = strings.ToValidUTF8(key[:40], "") + "…"
	}
	return strconv.Quote(key)
}
