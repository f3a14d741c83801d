// Package dataset is the catalogue of what exports and reports may read, and
// the only way from a caller's query to SQL.
//
// A Dataset is a SELECT with described columns. Those over the service's own
// tables are built in; an operator adds more with a YAML file. A caller sends
//
//	{"dataset":"orders", "columns":["id","amount"],
//	 "where":{"status":"paid", "amount":{"gte":100}},
//	 "orderBy":["-placedAt"], "limit":1000}
//
// or, as a short form, {"status":"paid"}: filters on the default dataset.
//
//	query JSON ──Compile──▶ Statement ──Reader.Open──▶ Cursor ──Rows──▶ []any
//	             names from the       one read-only        typed values,
//	             catalogue, values    transaction          one row at a time
//	             bound as $n
//
// Promises:
//   - No byte of a query reaches the SQL text. Names are looked up in the
//     catalogue and written as the catalogue spells them; values are bound.
//   - Rows are those of the asking user and tenant. The filter on the owner
//     column is left out only for the scope AllRows, which the caller of Compile
//     states explicitly and its zero value is not.
//   - A mistake in a query is a jobs.ValidationError that names the field
//     ("query.where.amount") and what is allowed there.
//   - Reading takes the memory of one row, however many there are.
package dataset
