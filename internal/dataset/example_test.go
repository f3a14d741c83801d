package dataset_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tandemq/tandem/internal/dataset"
)

// What a caller sends becomes a statement without a byte of it.
func ExampleCatalogue_Compile() {
	catalogue, err := dataset.Load("")
	if err != nil {
		fmt.Println(err)
		return
	}
	statement, err := catalogue.Compile(dataset.Request{
		UserID: "u1",
		Query: json.RawMessage(`{
			"dataset": "job_runs",
			"columns": ["jobId", "status"],
			"where":   {"status": {"in": ["failed", "retrying"]}, "finishedAt": {"gte": "2026-11-01"}},
			"orderBy": ["-finishedAt"],
			"limit":   100
		}`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Replace(statement.SQL, statement.Dataset.Select, "…", 1))
	fmt.Println(statement.Args...)
	// Output:
	// SELECT d."job_id", d."status" FROM (
	// …
	// ) AS d WHERE d."user_id" = $1 AND (d."finished_at" >= CAST($2 AS BIGINT) AND d."status" IN ($3, $4)) ORDER BY d."finished_at" DESC, d."id" LIMIT $5
	// u1 1793491200000 failed retrying 100
}

// A mistake says where it is and what would be right.
func ExampleCatalogue_Compile_mistake() {
	catalogue, err := dataset.Load("")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = catalogue.Compile(dataset.Request{UserID: "u1", Query: json.RawMessage(`{"where":{"status":{"like":5}}}`)})
	fmt.Println(err)
	// Output:
	// query.where.status.like: must be a text, with % for any text and _ for any character
}
