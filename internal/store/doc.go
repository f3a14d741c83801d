// Package store is the SQL database: accounts, mails sent, the history of job
// attempts, artifacts, the outbox, the audit log and idempotency keys.
//
// It is SQLite inside the process unless a PostgreSQL URL is given. Callers
// need not know which: every statement here and elsewhere is written once, with
// $1-style placeholders, ON CONFLICT, RETURNING and times as BIGINT
// milliseconds, which both understand.
//
//	           DB.Write ──▶ SQLite: one connection, transactions BEGIN IMMEDIATE
//	Open ──▶ DB            PostgreSQL: the pool
//	           DB.Read ───▶ SQLite: several connections that refuse to write
//	                       PostgreSQL: the same pool
//
// SQLite has one writer at a time. Instead of letting connections fight for
// its lock, all writers of a process wait in line for the one write connection
// and a transaction takes the lock when it begins, so none can find half way
// that it has to start over. Another process is waited for by busy_timeout.
// Readers never wait: in WAL mode they see the last committed state, however
// long they take. Two things follow for callers. Inside Tx use only its tx: a
// second statement on Write would wait for itself. And statements that change
// something, INSERT … RETURNING included, belong on Write.
//
// Open brings the schema up to date before it returns; see migrate.go. The
// types Runs (RunLog), Artifacts, Outbox, Idempotency, Audit and Sweeper each
// own the statements of their tables; users owns those of its own.
package store
