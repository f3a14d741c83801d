package dataset_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
)

// token takes a statement apart: a quoted column, a parameter, a word, a
// number, a pattern's escape, or one sign.
var token = regexp.MustCompile(`d\."[^"]*"|\$[0-9]+|[A-Za-z_]+|[0-9]+|'\\'|<=|>=|[^\s]`)

// grammar is every token that Compile itself may write.
var grammar = strings.Fields(`SELECT FROM AS d WHERE AND OR NOT IS NULL TRUE DISTINCT IN LIKE LOWER ESCAPE ORDER BY DESC LIMIT CAST BIGINT NUMERIC
	COUNT one counted 1 '\' ( ) , = < <= > >= *`)

// FuzzCompile checks the property that all safety rests on: what comes out of a
// query is made of the grammar's words, the catalogue's columns and parameters,
// with as many values bound, and the database accepts it.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"status":"paid"}`, `{"where":{"or":[{"status":"a"},{"not":{"amount":{"gte":1.5}}}]},"orderBy":["-id"],"limit":3}`,
		`{"where":{"status":{"like":"%'; DROP TABLE orders; --"}}}`, `{"columns":["id","d.\"shop\""]}`,
		`{"where":{"id":{"in":[1,2,3]},"due":"2026-01-01","placedAt":{"lt":1}}}`, `{"where":{"$1":1,"\"":2}}`,
		`{"dataset":"users","where":{"email":{"ne":null}}}`, `{"where":{"gift":{"eq":true,"null":false}}}`,
	} {
		f.Add(seed, "ann", "north")
	}
	db, catalogue := database(f), shopCatalogue(f)
	f.Fuzz(func(t *testing.T, query, user, tenant string) {
		req := dataset.Request{Query: json.RawMessage(query), UserID: user, TenantID: tenant}
		statement, err := catalogue.Compile(req)
		if err != nil {
			if !errors.Is(err, jobs.ErrInvalid) || statement != nil {
				t.Fatalf("error %v with %v", err, statement)
			}
			return
		}
		for _, text := range []string{statement.SQL, statement.CountSQL} {
			checkText(t, statement, text)
		}
		cursor, err := dataset.NewReader(db, nil).Open(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		defer cursor.Close()
		for _, err := range cursor.Rows(t.Context()) {
			if err != nil {
				t.Fatalf("%s: %v", statement.SQL, err)
			}
		}
	})
}

func checkText(t *testing.T, statement *dataset.Statement, text string) {
	t.Helper()
	rest, found := strings.CutPrefix(strings.Replace(text, statement.Dataset.Select, "@", 1), "SELECT")
	if !found || strings.Count(rest, "@") != 1 {
		t.Fatalf("not one SELECT over the dataset: %s", text)
	}
	allowed := append(slices.Clone(grammar), "@")
	for _, c := range statement.Dataset.Columns {
		allowed = append(allowed, `d."`+c.From+`"`)
	}
	allowed = append(allowed, `d."`+statement.Dataset.Tenant+`"`, `d."`+statement.Dataset.Owner+`"`)
	for i := range statement.Args {
		allowed = append(allowed, fmt.Sprintf("$%d", i+1))
	}
	seen := map[string]bool{}
	for _, word := range token.FindAllString(rest, -1) {
		seen[word] = true
		if !slices.Contains(allowed, word) {
			t.Fatalf("%q is not of the grammar: %s", word, text)
		}
	}
	for i := range statement.Args {
		if !seen[fmt.Sprintf("$%d", i+1)] {
			t.Fatalf("$%d is bound but not used: %s", i+1, text)
		}
	}
}
