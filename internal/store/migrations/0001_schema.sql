-- Every time is BIGINT: milliseconds since 1970 in UTC. Every statement here
-- and in the code runs unchanged on SQLite and on PostgreSQL.

-- An account. The address is lower-cased before it is stored.
CREATE TABLE users (
    id            TEXT   NOT NULL PRIMARY KEY,
    tenant_id     TEXT   NOT NULL DEFAULT '',
    name          TEXT   NOT NULL,
    email         TEXT   NOT NULL UNIQUE,
    password_hash TEXT   NOT NULL,
    status        TEXT   NOT NULL CHECK (status IN ('pending', 'active')),
    created_at    BIGINT NOT NULL,
    verified_at   BIGINT
);
CREATE INDEX users_tenant_created ON users (tenant_id, created_at);
CREATE INDEX users_created ON users (created_at);

-- A link that proves an address. Only the SHA-256 of its token is kept.
CREATE TABLE verification_tokens (
    token_hash TEXT   NOT NULL PRIMARY KEY,
    user_id    TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX verification_tokens_user ON verification_tokens (user_id);
CREATE INDEX verification_tokens_expires ON verification_tokens (expires_at);

-- A mail that was sent or given up; id is the job's id.
CREATE TABLE email_messages (
    id             TEXT    NOT NULL PRIMARY KEY,
    tenant_id      TEXT    NOT NULL DEFAULT '',
    template       TEXT    NOT NULL,
    address_hash   TEXT    NOT NULL,
    address_masked TEXT    NOT NULL,
    subject        TEXT    NOT NULL DEFAULT '',
    status         TEXT    NOT NULL CHECK (status IN ('sent', 'failed')),
    error          TEXT    NOT NULL DEFAULT '',
    attempts       INTEGER NOT NULL DEFAULT 0,
    created_at     BIGINT  NOT NULL,
    sent_at        BIGINT
);
CREATE INDEX email_messages_tenant_created ON email_messages (tenant_id, created_at);
CREATE INDEX email_messages_created ON email_messages (created_at);

-- One attempt at a job: history that outlives what Redis keeps.
CREATE TABLE job_runs (
    id          TEXT    NOT NULL PRIMARY KEY,
    queue       TEXT    NOT NULL,
    job_id      TEXT    NOT NULL,
    job_name    TEXT    NOT NULL,
    tenant_id   TEXT    NOT NULL DEFAULT '',
    user_id     TEXT    NOT NULL DEFAULT '',
    attempt     INTEGER NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('completed', 'failed', 'retrying', 'snoozed', 'released')),
    error       TEXT    NOT NULL DEFAULT '',
    queued_at   BIGINT  NOT NULL,
    started_at  BIGINT  NOT NULL,
    finished_at BIGINT  NOT NULL,
    wait_ms     BIGINT  NOT NULL,
    duration_ms BIGINT  NOT NULL,
    worker      TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX job_runs_finished ON job_runs (finished_at);
CREATE INDEX job_runs_tenant_finished ON job_runs (tenant_id, finished_at);
CREATE INDEX job_runs_user_finished ON job_runs (user_id, finished_at);
CREATE INDEX job_runs_queue_finished ON job_runs (queue, finished_at);
CREATE INDEX job_runs_job ON job_runs (queue, job_id);

-- A file that a job made. deleted_at says that the file is gone; the row stays
-- for a while so that a late download can be told why.
CREATE TABLE artifacts (
    id           TEXT   NOT NULL PRIMARY KEY,
    kind         TEXT   NOT NULL CHECK (kind IN ('export', 'report')),
    owner_id     TEXT   NOT NULL DEFAULT '',
    tenant_id    TEXT   NOT NULL DEFAULT '',
    storage_key  TEXT   NOT NULL,
    filename     TEXT   NOT NULL,
    content_type TEXT   NOT NULL,
    bytes        BIGINT NOT NULL,
    sha256       TEXT   NOT NULL,
    rows_count   BIGINT NOT NULL DEFAULT 0,
    job_id       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    deleted_at   BIGINT
);
CREATE INDEX artifacts_expires ON artifacts (expires_at) WHERE deleted_at IS NULL;
CREATE INDEX artifacts_deleted ON artifacts (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX artifacts_owner_created ON artifacts (owner_id, created_at);
CREATE INDEX artifacts_tenant_created ON artifacts (tenant_id, created_at);
CREATE INDEX artifacts_job ON artifacts (job_id);

-- A job that was promised inside an SQL transaction and is on its way to
-- Redis. next_at is when it may be tried; a relay that takes it moves next_at
-- on, so that another one takes over if it dies. given_up_at marks an entry
-- that Redis will never accept.
CREATE TABLE outbox (
    id          TEXT    NOT NULL PRIMARY KEY,
    queue       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    payload     TEXT    NOT NULL,
    options     TEXT    NOT NULL DEFAULT '{}',
    created_at  BIGINT  NOT NULL,
    sent_at     BIGINT,
    attempts    INTEGER NOT NULL DEFAULT 0,
    last_error  TEXT    NOT NULL DEFAULT '',
    next_at     BIGINT  NOT NULL,
    given_up_at BIGINT
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX outbox_unsent ON outbox (created_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX outbox_given_up ON outbox (given_up_at) WHERE given_up_at IS NOT NULL;

-- Who did what to which thing. Rows are only added, and removed by age.
CREATE TABLE audit_log (
    id         TEXT   NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL,
    action     TEXT   NOT NULL,
    target     TEXT   NOT NULL,
    request_id TEXT   NOT NULL DEFAULT '',
    detail     TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_target ON audit_log (target, at);

-- What was answered under an Idempotency-Key. owner names the request that
-- works on it until lease_until; after that a repeated request may take over.
CREATE TABLE idempotency (
    key_hash    TEXT    NOT NULL PRIMARY KEY,
    body_hash   TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('in_flight', 'done')),
    owner       TEXT    NOT NULL,
    lease_until BIGINT  NOT NULL,
    status      INTEGER NOT NULL DEFAULT 0,
    headers     TEXT    NOT NULL DEFAULT '{}',
    response    TEXT    NOT NULL DEFAULT '',
    created_at  BIGINT  NOT NULL,
    expires_at  BIGINT  NOT NULL
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);
