package dataset_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// shop is what an operator would describe: every type, and a time in each way
// that one can be stored.
const shop = `
default: orders
datasets:
  - name: orders
    select: |
      SELECT id, shop, customer, status, amount, gift, placed_ms, shipped_s, paid_text, seen, due, note FROM orders -- all of them
    tenant: shop
    owner: customer
    order: [id]
    columns:
      - {name: id, type: integer}
      - {name: status, type: text}
      - {name: amount, type: number}
      - {name: gift, type: boolean}
      - {name: placedAt, from: placed_ms, type: timestamp, stored: ms}
      - {name: shippedAt, from: shipped_s, type: timestamp, stored: s}
      - {name: paidAt, from: paid_text, type: timestamp, stored: text}
      - {name: seenAt, from: seen, type: timestamp}
      - {name: due, type: date}
      - {name: note, type: text}
  - name: rates
    select: SELECT currency, rate FROM rates;
    tenant: none
    owner: none
    columns:
      - {name: currency, type: text}
      - {name: rate, type: number}
`

// The same orders as SQLite keeps them, and with PostgreSQL's own types.
const (
	shopRows = `
INSERT INTO rates VALUES ('EUR', 1), ('USD', 1.1);
INSERT INTO orders VALUES
	(1, 'north', 'ann', 'paid', 10,    TRUE,  1795500000000, 1795500060, '2026-11-24 06:02:00', '2026-11-24T06:03:00.5Z', '2026-12-01', NULL),
	(2, 'north', 'ann', 'open', 20.5,  FALSE, 1795600000000, NULL,       NULL,                  NULL,                     '2026-12-02', '50% off'),
	(3, 'north', 'bob', 'paid', 30,    FALSE, 1795700000000, NULL,       NULL,                  NULL,                     NULL,         'x'),
	(4, 'south', 'ann', 'paid', 40,    FALSE, 1795800000000, NULL,       NULL,                  NULL,                     NULL,         'it''s'),
	(5, 'north', 'ann', NULL,   NULL,  NULL,  NULL,          NULL,       NULL,                  NULL,                     NULL,         '5000 off');`

	sqliteShop = `
CREATE TABLE orders (id INTEGER PRIMARY KEY, shop TEXT, customer TEXT, status TEXT, amount NUMERIC, gift INTEGER,
	placed_ms BIGINT, shipped_s BIGINT, paid_text TEXT, seen TEXT, due TEXT, note TEXT);
CREATE TABLE rates (currency TEXT, rate REAL);` + shopRows

	postgresShop = `
CREATE TABLE orders (id BIGINT PRIMARY KEY, shop TEXT, customer TEXT, status TEXT, amount NUMERIC, gift BOOLEAN,
	placed_ms BIGINT, shipped_s BIGINT, paid_text TEXT, seen TIMESTAMPTZ, due DATE, note TEXT);
CREATE TABLE rates (currency TEXT, rate DOUBLE PRECISION);` + shopRows
)

func shopCatalogue(t testing.TB) *dataset.Catalogue {
	t.Helper()
	catalogue, err := dataset.Parse(strings.NewReader(shop))
	if err != nil {
		t.Fatal(err)
	}
	return catalogue
}

// database has the service's own tables and the shop's, on SQLite.
func database(t testing.TB) *sql.DB {
	t.Helper()
	return withShop(t, storetest.SQLite(t))
}

// eachDatabase runs a test on every kind of database.
func eachDatabase(t *testing.T, test func(t *testing.T, db *sql.DB)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { test(t, withShop(t, db)) })
}

// withShop returns the handle that a service reads with.
func withShop(t testing.TB, db *store.DB) *sql.DB {
	t.Helper()
	script := sqliteShop
	if db.Kind() == "postgres" {
		script = postgresShop
	}
	execute(t, db.Write, script)
	return db.Read
}

func execute(t testing.TB, db *sql.DB, script string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), script, args...); err != nil {
		t.Fatal(err)
	}
}

// open begins to read what a request asks for.
func open(t testing.TB, db *sql.DB, c *dataset.Catalogue, req dataset.Request) (*dataset.Cursor, *dataset.Statement) {
	t.Helper()
	statement, err := c.Compile(req)
	if err != nil {
		t.Fatalf("compile %s: %v", req.Query, err)
	}
	cursor, err := dataset.NewReader(db, nil).Open(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	return cursor, statement
}

// read runs a request and returns its rows, and checks that Count agrees.
func read(t testing.TB, db *sql.DB, c *dataset.Catalogue, req dataset.Request) [][]any {
	t.Helper()
	cursor, statement := open(t, db, c, req)
	defer cursor.Close()
	count, err := cursor.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := [][]any{}
	for row, err := range cursor.Rows(t.Context()) {
		if err != nil {
			t.Fatalf("%s: %v", statement.SQL, err)
		}
		rows = append(rows, slices.Clone(row))
	}
	if count != int64(len(rows)) {
		t.Errorf("Count = %d, but there are %d rows: %s", count, len(rows), statement.CountSQL)
	}
	return rows
}

// ids is the first column of rows.
func ids(rows [][]any) []int64 {
	found := []int64{}
	for _, row := range rows {
		found = append(found, row[0].(int64))
	}
	return found
}

func TestQuerySelectsTheRowsItDescribes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *sql.DB) {
		catalogue := shopCatalogue(t)
		for _, tt := range []struct {
			name, query string
			want        []int64
		}{
			{"nothing asked", ``, []int64{1, 2, 3, 4, 5}},
			{"null", `null`, []int64{1, 2, 3, 4, 5}},
			{"empty object", `{}`, []int64{1, 2, 3, 4, 5}},
			{"flat filters", `{"status":"paid","amount":30}`, []int64{3}},
			{"flat null", `{"status":null}`, []int64{5}},
			{"empty where", `{"where":{}}`, []int64{1, 2, 3, 4, 5}},
			{"equal", `{"where":{"status":{"eq":"paid"}}}`, []int64{1, 3, 4}},
			{"not equal counts missing values", `{"where":{"status":{"ne":"paid"}}}`, []int64{2, 5}},
			{"ne null", `{"where":{"note":{"ne":null}}}`, []int64{2, 3, 4, 5}},
			{"between", `{"where":{"amount":{"gte":20.5,"lt":40}}}`, []int64{2, 3}},
			{"greater", `{"where":{"amount":{"gt":20.5}}}`, []int64{3, 4}},
			{"at most", `{"where":{"amount":{"lte":20.5}}}`, []int64{1, 2}},
			{"in", `{"where":{"id":{"in":[2,4,99]}}}`, []int64{2, 4}},
			{"like with a wildcard", `{"where":{"note":{"like":"50%"}}}`, []int64{2, 5}},
			{"like ignores case", `{"where":{"note":{"like":"%OFF"}}}`, []int64{2, 5}},
			{"like with an escaped wildcard", `{"where":{"note":{"like":"50\\%%"}}}`, []int64{2}},
			{"quotes are values", `{"where":{"note":"it's"}}`, []int64{4}},
			{"is null", `{"where":{"note":{"null":true}}}`, []int64{1}},
			{"is not null", `{"where":{"due":{"null":false}}}`, []int64{1, 2}},
			{"boolean", `{"where":{"gift":true}}`, []int64{1}},
			{"not true counts missing values", `{"where":{"not":{"gift":true}}}`, []int64{2, 3, 4, 5}},
			{"or", `{"where":{"or":[{"status":"open"},{"amount":{"gte":40}}]}}`, []int64{2, 4}},
			{"and inside or inside not", `{"where":{"not":{"or":[{"and":[{"status":"paid"},{"amount":10}]},{"id":5}]}}}`, []int64{2, 3, 4}},
			{"milliseconds by text", `{"where":{"placedAt":{"gte":"2026-11-25T09:46:40Z","lt":"2026-11-27T00:00:00+02:00"}}}`, []int64{2, 3}},
			{"milliseconds by number", `{"where":{"placedAt":1795600000000}}`, []int64{2}},
			{"seconds", `{"where":{"shippedAt":{"gt":"2026-11-24"}}}`, []int64{1}},
			{"text time", `{"where":{"paidAt":"2026-11-24T06:02:00Z"}}`, []int64{1}},
			{"native time", `{"where":{"seenAt":{"gt":"2026-11-24T06:02:59Z","lte":"2026-11-24T07:03:01+01:00"}}}`, []int64{1}},
			{"dates in a list", `{"where":{"due":{"in":["2026-12-02","2026-12-03"]}}}`, []int64{2}},
			{"date", `{"where":{"due":{"gt":"2026-12-01"}}}`, []int64{2}},
			{"order", `{"orderBy":"-amount","where":{"amount":{"null":false}}}`, []int64{4, 3, 2, 1}},
			{"order by two", `{"orderBy":["status","-id"],"where":{"status":{"null":false}}}`, []int64{2, 4, 3, 1}},
			{"limit", `{"orderBy":["-id"],"limit":2}`, []int64{5, 4}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				rows := read(t, db, catalogue, dataset.Request{Query: json.RawMessage(tt.query), Scope: dataset.AllRows})
				if diff := cmp.Diff(tt.want, ids(rows)); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func TestRowsAreTheAskersUnlessTheScopeSaysAll(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *sql.DB) {
		catalogue := shopCatalogue(t)
		for _, tt := range []struct {
			name string
			req  dataset.Request
			want []int64
		}{
			{"own", dataset.Request{UserID: "ann"}, []int64{1, 2, 4, 5}},
			{"own within a tenant", dataset.Request{UserID: "ann", TenantID: "north"}, []int64{1, 2, 5}},
			{"all of a tenant", dataset.Request{UserID: "ann", TenantID: "north", Scope: dataset.AllRows}, []int64{1, 2, 3, 5}},
			{"another's are not reached by asking", dataset.Request{UserID: "bob", Query: json.RawMessage(`{"where":{"or":[{"id":1},{"id":3}]}}`)}, []int64{3}},
			{"nor by negating", dataset.Request{UserID: "bob", Query: json.RawMessage(`{"where":{"not":{"id":3}}}`)}, []int64{}},
			{"a user id is a value", dataset.Request{UserID: `ann" OR 1=1 --`}, []int64{}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if diff := cmp.Diff(tt.want, ids(read(t, db, catalogue, tt.req))); diff != "" {
					t.Errorf("ids (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func TestValuesHaveTheGoTypeOfTheirColumn(t *testing.T) {
	catalogue := shopCatalogue(t)
	eachDatabase(t, func(t *testing.T, db *sql.DB) {
		rows := read(t, db, catalogue, dataset.Request{UserID: "ann", TenantID: "north"})
		for _, row := range rows {
			row[2] = digits(row[2]) // PostgreSQL's decimals keep theirs
		}
		want := [][]any{
			{int64(1), "paid", "10", true, time.UnixMilli(1795500000000).UTC(), time.Unix(1795500060, 0).UTC(),
				time.Date(2026, 11, 24, 6, 2, 0, 0, time.UTC), time.Date(2026, 11, 24, 6, 3, 0, 5e8, time.UTC),
				time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), nil},
			{int64(2), "open", "20.5", false, time.UnixMilli(1795600000000).UTC(), nil, nil, nil,
				time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC), "50% off"},
			{int64(5), nil, nil, nil, nil, nil, nil, nil, nil, "5000 off"},
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

func digits(number any) any {
	switch number.(type) {
	case int64, float64, json.Number:
		return fmt.Sprint(number)
	default:
		return number
	}
}

func TestColumnsAreThoseAskedForInThatOrder(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *sql.DB) {
		catalogue := shopCatalogue(t)
		rows := read(t, db, catalogue, dataset.Request{UserID: "bob", Query: json.RawMessage(`{"columns":["note","id"]}`)})
		if diff := cmp.Diff([][]any{{"x", int64(3)}}, rows); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

func TestMistakesNameTheFieldAndWhatIsAllowed(t *testing.T) {
	catalogue := shopCatalogue(t)
	deep := strings.Repeat(`{"not":`, 9) + `{}` + strings.Repeat(`}`, 9)
	many := `{"or":[` + strings.Repeat(`{"id":1},`, 101) + `{"id":1}]}`
	for _, tt := range []struct{ name, query, field, reason string }{
		{"not JSON", `{`, "query", "must be a JSON object"},
		{"list", `[]`, "query", "must be a JSON object"},
		{"unknown dataset", `{"dataset":"secrets"}`, "query.dataset", "artifacts, email_messages, job_runs, orders, rates, users"},
		{"unknown word", `{"limit":1,"status":"paid"}`, "query.status", "filters go into where"},
		{"unknown column", `{"colour":"red"}`, "query.colour", "it has id, status, amount"},
		{"unknown column in where", `{"where":{"colour":"red"}}`, "query.where.colour", "it has id, status, amount"},
		{"unprintable column", `{"where":{"a\u0000b":1}}`, `query.where."a\x00b"`, "no such column"},
		{"tenant column cannot be named", `{"where":{"shop":"south"}}`, "query.where.shop", "no such column"},
		{"unknown selected column", `{"columns":["id","colour"]}`, "query.columns[1]", "orders has no column colour"},
		{"selected twice", `{"columns":["id","id"]}`, "query.columns[1]", "twice"},
		{"no columns", `{"columns":[]}`, "query.columns", "not empty"},
		{"unknown order", `{"orderBy":["-colour"]}`, "query.orderBy[0]", "no column colour"},
		{"odd order", `{"orderBy":{"id":1}}`, "query.orderBy", "must be a list"},
		{"unknown operator", `{"where":{"amount":{"regexp":"x"}}}`, "query.where.amount.regexp", "eq, ne, in, null, lt, lte, gt, gte"},
		{"no like on numbers", `{"where":{"amount":{"like":"1%"}}}`, "query.where.amount.like", "a number column has"},
		{"no order on booleans", `{"where":{"gift":{"gt":true}}}`, "query.where.gift.gt", "a boolean column has"},
		{"no operator", `{"where":{"amount":{}}}`, "query.where.amount", "must have one of"},
		{"text for a number", `{"where":{"amount":"10"}}`, "query.where.amount", "must be a number"},
		{"fraction for a whole number", `{"where":{"id":1.5}}`, "query.where.id", "must be a whole number"},
		{"huge whole number", `{"where":{"id":99999999999999999999}}`, "query.where.id", "must be a whole number"},
		{"number for a text", `{"where":{"status":1}}`, "query.where.status", "must be a text"},
		{"NUL in a text", `{"where":{"status":"a\u0000"}}`, "query.where.status", "NUL"},
		{"text for a boolean", `{"where":{"gift":"yes"}}`, "query.where.gift", "true or false"},
		{"no time", `{"where":{"placedAt":"yesterday"}}`, "query.where.placedAt", "2026-11-24T15:04:05Z"},
		{"no date", `{"where":{"due":"1.12.2026"}}`, "query.where.due", "2026-11-24"},
		{"list for a value", `{"where":{"status":["a"]}}`, "query.where.status", "single value"},
		{"null in a list", `{"where":{"id":{"in":[1,null]}}}`, "query.where.id.in[1]", "must not be null"},
		{"empty list", `{"where":{"id":{"in":[]}}}`, "query.where.id.in", "not empty"},
		{"compare with null", `{"where":{"id":{"gt":null}}}`, "query.where.id.gt", "must not be null"},
		{"pattern that ends in an escape", `{"where":{"note":{"like":"a\\"}}}`, "query.where.note.like", "must not end in"},
		{"or without a list", `{"where":{"or":{"id":1}}}`, "query.where.or", "must be a list"},
		{"deep", `{"where":` + deep + `}`, "query.where.not.not.not.not.not.not.not.not", "8 levels"},
		{"many", `{"where":` + many + `}`, "query.where.or[100].id", "there may be 100"},
		{"limit zero", `{"limit":0}`, "query.limit", "whole number from 1"},
		{"limit text", `{"limit":"5"}`, "query.limit", "whole number from 1"},
		{"owner only", `{"dataset":"rates"}`, "query.dataset", "exports:all"},
		{"too long", `{"where":{"note":"` + strings.Repeat("x", dataset.MaxQuery) + `"}}`, "query", "65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := catalogue.Compile(dataset.Request{Query: json.RawMessage(tt.query), UserID: "ann"})
			invalid, ok := errors.AsType[*jobs.ValidationError](err)
			if !ok {
				t.Fatalf("error = %v, want a ValidationError", err)
			}
			if invalid.Field != tt.field || !strings.Contains(invalid.Reason, tt.reason) {
				t.Errorf("got %s: %s\nwant %s: …%s…", invalid.Field, invalid.Reason, tt.field, tt.reason)
			}
		})
	}
}

func TestOwnRowsNeedAUser(t *testing.T) {
	_, err := shopCatalogue(t).Compile(dataset.Request{})
	if invalid, ok := errors.AsType[*jobs.ValidationError](err); !ok || invalid.Field != "userId" {
		t.Errorf("error = %v, want userId refused", err)
	}
}

func TestBuiltinDatasetsReadTheServicesTables(t *testing.T) {
	storetest.Each(t, testBuiltin)
}

func testBuiltin(t *testing.T, db *store.DB) {
	catalogue, err := dataset.Load("")
	if err != nil {
		t.Fatal(err)
	}
	if err := dataset.NewReader(db.Read, nil).Check(t.Context(), catalogue); err != nil {
		t.Fatal(err)
	}
	execute(t, db.Write, `INSERT INTO users (id, tenant_id, name, email, password_hash, status, created_at, verified_at) VALUES
		('u1', 't1', 'Ann', 'ann@example.com', '$argon2id$secret', 'active', 1795500000000, NULL),
		('u2', 't1', 'Bob', 'bob@example.com', '$argon2id$secret', 'pending', 1795600000000, NULL)`)
	got := read(t, db.Read, catalogue, dataset.Request{UserID: "u1", TenantID: "t1"})
	want := [][]any{{"u1", "Ann", "ann@example.com", "active", time.UnixMilli(1795500000000).UTC(), nil}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"passwordHash", "password_hash", "addressHash", "storageKey"} {
		for _, name := range catalogue.Names() {
			if d, _ := catalogue.Dataset(name); slices.Contains(d.ColumnNames(), secret) {
				t.Errorf("%s gives away %s", name, secret)
			}
		}
	}
}

func TestCheckFindsASelectThatDoesNotFitItsDescription(t *testing.T) {
	db := database(t)
	catalogue, err := dataset.Parse(strings.NewReader(`
datasets:
  - {name: broken, select: SELECT thing FROM nowhere, tenant: none, owner: none, columns: [{name: a, type: text}]}
  - {name: short, select: SELECT id FROM orders, tenant: shop, owner: none, columns: [{name: id, type: text}, {name: b, type: text}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	err = dataset.NewReader(db, nil).Check(t.Context(), catalogue)
	for _, want := range []string{"dataset broken: ", "nowhere", "dataset short: its SELECT has no column b, shop"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v\nwant it to say %s", err, want)
		}
	}
}

// The two databases differ: the operator's has no tables of the service, and the
// service's has no shop until it is made there.
func TestDatasetsOfTheOperatorReadTheirDatabase(t *testing.T) {
	own, catalogue := storetest.SQLite(t), shopCatalogue(t)
	theirs, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	execute(t, theirs, sqliteShop)
	if err := dataset.NewReader(own.Read, theirs).Check(t.Context(), catalogue); err != nil {
		t.Errorf("with a database of the operator's: %v", err)
	}
	if err := dataset.NewReader(own.Read, nil).Check(t.Context(), catalogue); err == nil || !strings.Contains(err.Error(), "dataset orders: ") {
		t.Errorf("without one: %v, want orders looked for in the service's own", err)
	}
	execute(t, own.Write, sqliteShop)
	if err := dataset.NewReader(own.Read, nil).Check(t.Context(), catalogue); err != nil {
		t.Errorf("with the shop in the service's own: %v", err)
	}
}

func TestAFileListsEveryMistake(t *testing.T) {
	_, err := dataset.Parse(strings.NewReader(`
default: nowhere
colour: red
datasets:
  - name: Bad Name
    select: DELETE FROM users
    order: [-missing]
    columns:
      - {name: "a\"b", type: money}
      - {name: limit, type: text, stored: ms}
      - {name: id, type: text}
      - {name: id, type: text}
  - {name: users, select: SELECT 1 AS a, tenant: none, owner: none, columns: [{name: a, type: text}]}
  - {name: params, select: SELECT 1 AS a WHERE 1 = $1, tenant: none, owner: a b, columns: []}
`))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"field colour not found",
		`default: "nowhere" is not one of the datasets`,
		"datasets[0].name: must match",
		"datasets[0].select: must be one SELECT",
		"datasets[0].tenant: must name the column",
		"datasets[0].owner: must name the column",
		`datasets[0].order[0]: "missing" is not a column`,
		"datasets[0].columns[0].name: must match",
		"datasets[0].columns[0].type: must be text, integer",
		`datasets[0].columns[1].name: "limit" is a word of the query language`,
		"datasets[0].columns[1].stored: is only for timestamps",
		`datasets[0].columns[3].name: "id" is there twice`,
		`datasets[1].name: "users" is built in`,
		"datasets[2].select: must not have parameters",
		"datasets[2].owner: must match",
		"datasets[2].columns: must list at least one column",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing from the error: %s", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestRowsStopWithTheContext(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *sql.DB) {
		catalogue := shopCatalogue(t)
		statement, err := catalogue.Compile(dataset.Request{Scope: dataset.AllRows})
		if err != nil {
			t.Fatal(err)
		}
		reason := errors.New("the worker is stopping")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		cursor, err := dataset.NewReader(db, nil).Open(ctx, statement)
		if err != nil {
			t.Fatal(err)
		}
		defer cursor.Close()
		var last error
		for _, err := range cursor.Rows(ctx) {
			last = err
			cancel(reason)
		}
		if !errors.Is(last, reason) {
			t.Errorf("last error = %v, want %v", last, reason)
		}
	})
}

func TestAWrongTypeIsToldWithoutItsValue(t *testing.T) {
	db := database(t)
	catalogue, err := dataset.Parse(strings.NewReader(`
datasets:
  - {name: wrong, select: SELECT note FROM orders WHERE id = 3, tenant: none, owner: none, columns: [{name: note, type: timestamp}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	cursor, _ := open(t, db, catalogue, dataset.Request{Query: json.RawMessage(`{"dataset":"wrong"}`), Scope: dataset.AllRows})
	defer cursor.Close()
	for _, err := range cursor.Rows(t.Context()) {
		if !errors.Is(err, dataset.ErrWrongType) || !strings.Contains(err.Error(), "column note") {
			t.Errorf("error = %v, want ErrWrongType of column note", err)
		}
	}
}

func TestAValueThatAColumnCannotHoldIsComparedOrRefused(t *testing.T) {
	catalogue, err := dataset.Parse(strings.NewReader(`
datasets:
  - name: narrow
    select: SELECT small, owner, seconds, single FROM narrow
    tenant: none
    owner: owner
    order: [small]
    columns:
      - {name: small, type: integer}
      - {name: measure, from: small, type: number}
      - {name: single, type: number}
      - {name: flag, from: small, type: boolean}
      - {name: words, from: small, type: text}
      - {name: at, from: seconds, type: timestamp, stored: s}
`))
	if err != nil {
		t.Fatal(err)
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		execute(t, db.Write, `CREATE TABLE narrow (small INTEGER, owner BIGINT, seconds INTEGER, single REAL);
			INSERT INTO narrow VALUES (1, 7, 1795500000, 0.1), (2, 7, NULL, 2.5)`)
		for _, tt := range []struct {
			query string
			want  []int64
		}{
			{`{"small":{"lt":3000000000}}`, []int64{1, 2}},
			{`{"small":{"gt":3000000000}}`, []int64{}},
			{`{"small":{"ne":3000000000}}`, []int64{1, 2}},
			{`{"small":{"in":[2,3000000000]}}`, []int64{2}},
			{`{"measure":{"gte":2}}`, []int64{2}},
			{`{"measure":{"gte":1.5}}`, []int64{2}},
			{`{"measure":1.5}`, []int64{}},
			{`{"measure":{"lt":1e300}}`, []int64{1, 2}},
			{`{"single":0.1}`, []int64{1}},
			{`{"single":{"lte":0.1}}`, []int64{1}},
			{`{"single":{"in":[0.1,2.5,3]}}`, []int64{1, 2}},
			{`{"single":{"ne":0.1}}`, []int64{2}},
			{`{"at":{"lt":"9999-01-01"}}`, []int64{1}},
		} {
			query := json.RawMessage(`{"dataset":"narrow","columns":["small"],"where":` + tt.query + `}`)
			if diff := cmp.Diff(tt.want, ids(read(t, db.Read, catalogue, dataset.Request{UserID: "7", Query: query}))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
		if db.Kind() != "postgres" {
			return // SQLite compares whatever there is
		}
		for name, req := range map[string]dataset.Request{
			"an owner that is no number":       {UserID: "ann", Query: json.RawMessage(`{"dataset":"narrow"}`)},
			"a boolean described over numbers": {UserID: "7", Query: json.RawMessage(`{"dataset":"narrow","where":{"flag":true}}`)},
			"a text described over numbers":    {UserID: "7", Query: json.RawMessage(`{"dataset":"narrow","where":{"words":{"like":"a%"}}}`)},
		} {
			if err := failure(t, db.Read, catalogue, req); !errors.Is(err, dataset.ErrRefused) {
				t.Errorf("%s: %v, want it refused", name, err)
			}
		}
	})
}

// failure is why a request, which compiles, cannot be run.
func failure(t *testing.T, db *sql.DB, c *dataset.Catalogue, req dataset.Request) error {
	t.Helper()
	cursor, _ := open(t, db, c, req)
	defer cursor.Close()
	_, err := cursor.Count(t.Context())
	return err
}

// The same moments as programs write them: Go and Python without a fraction where
// there is none, JavaScript with three digits, Python with six.
func TestATimeIsFoundHoweverItIsWritten(t *testing.T) {
	catalogue, err := dataset.Parse(strings.NewReader(`
datasets:
  - name: seen
    select: SELECT id, at, plain FROM seen
    tenant: none
    owner: none
    order: [id]
    columns:
      - {name: id, type: integer}
      - {name: at, type: timestamp}
      - {name: plain, type: timestamp, stored: text}
`))
	if err != nil {
		t.Fatal(err)
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		kind := map[string]string{"sqlite": "TEXT", "postgres": "TIMESTAMPTZ"}[db.Kind()]
		execute(t, db.Write, `CREATE TABLE seen (id INTEGER, at `+kind+`, plain TEXT);
			INSERT INTO seen VALUES
				(1, '2026-11-24T15:04:04.999Z',         '2026-11-24 15:04:04.999'),
				(2, '2026-11-24T15:04:05Z',             '2026-11-24 15:04:05'),
				(3, '2026-11-24T15:04:05.000Z',         '2026-11-24 15:04:05.000'),
				(4, '2026-11-24T15:04:05+00:00',        '2026-11-24 15:04:05'),
				(5, '2026-11-24T15:04:05.500Z',         '2026-11-24 15:04:05.500'),
				(6, '2026-11-24T15:04:05.500000+00:00', '2026-11-24 15:04:05.5'),
				(7, '2026-11-24T15:04:06Z',             '2026-11-24 15:04:06'),
				(8, NULL,                               NULL)`)
		const whole, half = "2026-11-24T15:04:05Z", "2026-11-24T16:04:05.5+01:00"
		for _, tt := range []struct {
			operator, moment string
			want             []int64
		}{
			{"eq", whole, []int64{2, 3, 4}},
			{"ne", whole, []int64{1, 5, 6, 7, 8}},
			{"lt", whole, []int64{1}},
			{"lte", whole, []int64{1, 2, 3, 4}},
			{"gt", whole, []int64{5, 6, 7}},
			{"gte", whole, []int64{2, 3, 4, 5, 6, 7}},
			{"eq", half, []int64{5, 6}},
			{"ne", half, []int64{1, 2, 3, 4, 7, 8}},
			{"lt", half, []int64{1, 2, 3, 4}},
			{"lte", half, []int64{1, 2, 3, 4, 5, 6}},
			{"gt", half, []int64{7}},
			{"gte", half, []int64{5, 6, 7}},
		} {
			for _, column := range []string{"at", "plain"} {
				query := fmt.Sprintf(`{"dataset":"seen","where":{%q:{%q:%q}}}`, column, tt.operator, tt.moment)
				got := ids(read(t, db.Read, catalogue, dataset.Request{Query: json.RawMessage(query), Scope: dataset.AllRows}))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", query, diff)
				}
			}
		}
		in := fmt.Sprintf(`{"dataset":"seen","where":{"at":{"in":[%q,%q]}}}`, whole, half)
		got := ids(read(t, db.Read, catalogue, dataset.Request{Query: json.RawMessage(in), Scope: dataset.AllRows}))
		if diff := cmp.Diff([]int64{2, 3, 4, 5, 6}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	})
}
