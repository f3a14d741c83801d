// Package reporttest lends tests a database with the service's own schema and
// an operator's table beside it, and fills them with lives of tenants: the same
// rows every time.
package reporttest

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// operatorTable is what the definitions of tests read.
const operatorTable = `CREATE TABLE orders (id TEXT PRIMARY KEY, account TEXT NOT NULL, placed_at BIGINT NOT NULL,
	placed_text TEXT NOT NULL, placed_date TEXT NOT NULL, region TEXT, product TEXT, amount DOUBLE PRECISION, discount DOUBLE PRECISION)`

// DB is a database of one test. Reports read through Read, which cannot write
// where the database knows the difference.
type DB struct {
	Read  *sql.DB
	write *sql.DB
	t     testing.TB
	next  int
}

// Open makes an empty SQLite database that lives as long as the test.
func Open(t testing.TB) *DB {
	t.Helper()
	return with(t, storetest.SQLite(t))
}

// Each runs the test on SQLite and on PostgreSQL.
func Each(t *testing.T, test func(t *testing.T, db *DB)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { test(t, with(t, db)) })
}

func with(t testing.TB, db *store.DB) *DB {
	t.Helper()
	d := &DB{Read: db.Read, write: db.Write, t: t}
	d.exec(d.write, operatorTable)
	return d
}

type executor interface {
	Exec(query string, args ...any) (sql.Result, error)
}

func (d *DB) exec(on executor, query string, args ...any) {
	d.t.Helper()
	if _, err := on.Exec(query, args...); err != nil {
		d.t.Fatalf("exec %.60s: %v", query, err)
	}
}

// Run is one row of job_runs. What is left out is filled in.
type Run struct {
	Tenant, Queue, Job, Status, Error string
	Finished                          time.Time
	Wait, Duration                    time.Duration
}

// AddRun stores one attempt.
func (d *DB) AddRun(r Run) { d.t.Helper(); d.addRun(d.write, r) }

func (d *DB) addRun(on executor, r Run) {
	d.t.Helper()
	d.next++
	if r.Status == "" {
		r.Status = "completed"
	}
	started := r.Finished.Add(-r.Duration)
	d.exec(on, `INSERT INTO job_runs VALUES ($1,$2,$3,$4,$5,'',1,$6,$7,$8,$9,$10,$11,$12,'w1')`,
		fmt.Sprintf("run-%d", d.next), r.Queue, fmt.Sprintf("job-%d", d.next), r.Job, r.Tenant, r.Status, r.Error,
		started.Add(-r.Wait).UnixMilli(), started.UnixMilli(), r.Finished.UnixMilli(), r.Wait.Milliseconds(), r.Duration.Milliseconds())
}

// Mail is one row of email_messages; an Error makes it a failed one.
type Mail struct {
	Tenant, Template, Error string
	At                      time.Time
}

// AddMail stores one mail.
func (d *DB) AddMail(m Mail) { d.t.Helper(); d.addMail(d.write, m) }

func (d *DB) addMail(on executor, m Mail) {
	d.t.Helper()
	d.next++
	status, sent := "sent", any(m.At.UnixMilli())
	if m.Error != "" {
		status, sent = "failed", nil
	}
	d.exec(on, `INSERT INTO email_messages VALUES ($1,$2,$3,'h','m','s',$4,$5,1,$6,$7)`,
		fmt.Sprintf("mail-%d", d.next), m.Tenant, m.Template, status, m.Error, m.At.UnixMilli(), sent)
}

// AddUser stores one account; a zero verified leaves it pending.
func (d *DB) AddUser(tenant string, created, verified time.Time) {
	d.t.Helper()
	d.addUser(d.write, tenant, created, verified)
}

func (d *DB) addUser(on executor, tenant string, created, verified time.Time) {
	d.t.Helper()
	d.next++
	status, at := "pending", any(nil)
	if !verified.IsZero() {
		status, at = "active", verified.UnixMilli()
	}
	d.exec(on, `INSERT INTO users (id, tenant_id, name, email, password_hash, status, created_at, verified_at) VALUES ($1,$2,'n',$3,'p',$4,$5,$6)`,
		fmt.Sprintf("user-%d", d.next), tenant, fmt.Sprintf("u%d@example.com", d.next), status, created.UnixMilli(), at)
}

// Order is one row of the table that an operator's reports read.
type Order struct {
	Account, Region, Product string
	At                       time.Time
	Amount, Discount         float64
}

// AddOrder stores one order; an empty region or product is NULL.
func (d *DB) AddOrder(o Order) { d.t.Helper(); d.addOrder(d.write, o) }

func (d *DB) addOrder(on executor, o Order) {
	d.t.Helper()
	d.next++
	d.exec(on, `INSERT INTO orders VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
		fmt.Sprintf("order-%d", d.next), o.Account, o.At.UnixMilli(), o.At.UTC().Format("2006-01-02T15:04:05.000Z"), o.At.Format(time.DateOnly),
		nullable(o.Region), nullable(o.Product), o.Amount, o.Discount)
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Fill stores a busy tenant's life from start for days days: jobs of all types
// with a weekly rhythm, a bad day, mails, accounts and orders.
func (d *DB) Fill(tenant string, start time.Time, days int) {
	d.t.Helper()
	tx, err := d.write.Begin()
	if err != nil {
		d.t.Fatalf("begin: %v", err)
	}
	l := &life{DB: d, tx: tx, tenant: tenant, random: rand.New(rand.NewPCG(7, uint64(len(tenant))))}
	for i := range days {
		l.day(i, start.AddDate(0, 0, i))
	}
	if err := tx.Commit(); err != nil {
		d.t.Fatalf("commit: %v", err)
	}
}

type life struct {
	*DB
	tx     *sql.Tx
	tenant string
	random *rand.Rand
}

func (l *life) day(i int, day time.Time) {
	l.t.Helper()
	busy := 1.0 + float64(i)*0.01
	if wd := day.Weekday(); wd == time.Saturday || wd == time.Sunday {
		busy *= 0.35
	}
	bad := i == 11
	l.jobs(day, "email", "welcome", 22*busy, 40, 900, bad)
	l.jobs(day, "email", "password-reset", 9*busy, 40, 700, bad)
	l.jobs(day, "export", "csv", 7*busy, 900, 24_000, false)
	l.jobs(day, "export", "xlsx", 4*busy, 1200, 41_000, bad)
	l.jobs(day, "report", "usage", 5*busy, 300, 6_000, false)
	l.jobs(day, "email-report", "weekly", 2*busy, 700, 9_000, bad)
	l.mails(day, busy, bad)
	l.accounts(day, busy)
	l.orders(day, busy)
}

func (l *life) moment(day time.Time) time.Time {
	return day.Add(time.Duration(6+l.random.IntN(12))*time.Hour + time.Duration(l.random.IntN(3_600_000))*time.Millisecond)
}

func (l *life) times(n float64) int { return int(n*(0.75+0.5*l.random.Float64()) + 0.5) }

func (l *life) jobs(day time.Time, queue, job string, n float64, waitMs, runMs int, bad bool) {
	l.t.Helper()
	reasons := []string{
		"dial tcp 10.1.4.27:587: connect: connection refused",
		"451 4.7.1 try again later, greylisted",
		"storage: put object: 503 slow down",
		"query: context deadline exceeded",
	}
	for range l.times(n) {
		r := Run{
			Tenant: l.tenant, Queue: queue, Job: job, Finished: l.moment(day),
			Wait:     time.Duration(l.random.ExpFloat64()*float64(waitMs)*float64(time.Millisecond)) + 2*time.Millisecond,
			Duration: time.Duration((0.4+l.random.ExpFloat64()*0.6)*float64(runMs)) * time.Millisecond,
		}
		share := 0.03
		if bad {
			share, r.Wait = 0.35, r.Wait*60
		}
		if l.random.Float64() < share {
			r.Status, r.Error = "retrying", reasons[l.random.IntN(len(reasons))]
			if l.random.Float64() < 0.2 {
				r.Status, r.Error = "failed", "550 5.1.1 <someone"+fmt.Sprint(l.next)+"@example.com>: user unknown"
			}
		}
		l.addRun(l.tx, r)
	}
}

func (l *life) mails(day time.Time, busy float64, bad bool) {
	l.t.Helper()
	for template, n := range []float64{22, 9, 6, 2} {
		name := []string{"welcome", "password-reset", "invoice", "weekly-digest"}[template]
		for range l.times(n * busy) {
			m := Mail{Tenant: l.tenant, Template: name, At: l.moment(day)}
			share := 0.02
			if bad {
				share = 0.3
			}
			if l.random.Float64() < share {
				m.Error = []string{"550 5.1.1 <a" + fmt.Sprint(l.next) + "@example.com>: user unknown", "554 5.7.1 message rejected as spam", "mailbox full"}[l.random.IntN(3)]
			}
			l.addMail(l.tx, m)
		}
	}
}

func (l *life) accounts(day time.Time, busy float64) {
	l.t.Helper()
	for range l.times(14 * busy) {
		created := l.moment(day)
		var verified time.Time
		if l.random.Float64() < 0.72 {
			verified = created.Add(time.Duration(l.random.ExpFloat64() * float64(50*time.Minute)))
		}
		l.addUser(l.tx, l.tenant, created, verified)
	}
}

func (l *life) orders(day time.Time, busy float64) {
	l.t.Helper()
	regions := []string{"North", "South", "East", "West", "Overseas", "Ελλάδα", "Кавказ", ""}
	products := []string{"Starter", "Team", "Enterprise", "Add-on storage with a rather long product name that goes on"}
	for range l.times(18 * busy) {
		l.addOrder(l.tx, Order{
			Account: l.tenant, At: l.moment(day),
			Region:  regions[int(float64(len(regions))*l.random.Float64()*l.random.Float64())],
			Product: products[l.random.IntN(len(products))],
			Amount:  float64(l.random.IntN(90_000)+900) / 100, Discount: float64(l.random.IntN(20)) / 100,
		})
	}
}
