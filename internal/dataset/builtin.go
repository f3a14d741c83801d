package dataset

// Builtin returns the datasets over the service's own tables. They leave out
// what nobody should carry away: password hashes, hashes of addresses, keys of
// stored files.
func Builtin() []Dataset {
	return []Dataset{users(), emailMessages(), jobRuns(), artifacts()}
}

func users() Dataset {
	return Dataset{
		Name:   "users",
		Select: "SELECT id, tenant_id, name, email, status, created_at, verified_at FROM users",
		Tenant: "tenant_id", Owner: "id",
		Columns: []Column{
			{Name: "id", Type: Text, Label: "ID"},
			{Name: "name", Type: Text},
			{Name: "email", Type: Text},
			{Name: "status", Type: Text},
			moment("createdAt", "created_at"),
			moment("verifiedAt", "verified_at"),
		},
		Order: []Order{{Column: "createdAt"}, {Column: "id"}},
	}
}

// A mail belongs to no account: its address may be anybody's.
func emailMessages() Dataset {
	return Dataset{
		Name:  "email_messages",
		Title: "Email messages",
		Select: "SELECT id, tenant_id, template, address_masked, subject, status, error, attempts, created_at, sent_at" +
			" FROM email_messages",
		Tenant: "tenant_id", Owner: None,
		Columns: []Column{
			{Name: "id", Type: Text, Label: "ID"},
			{Name: "template", Type: Text},
			{Name: "address", From: "address_masked", Type: Text},
			{Name: "subject", Type: Text},
			{Name: "status", Type: Text},
			{Name: "attempts", Type: Integer},
			{Name: "error", Type: Text},
			moment("createdAt", "created_at"),
			moment("sentAt", "sent_at"),
		},
		Order: []Order{{Column: "createdAt"}, {Column: "id"}},
	}
}

func jobRuns() Dataset {
	return Dataset{
		Name:  "job_runs",
		Title: "Job runs",
		Select: "SELECT id, queue, job_id, job_name, tenant_id, user_id, attempt, status, error," +
			" queued_at, started_at, finished_at, wait_ms, duration_ms, worker FROM job_runs",
		Tenant: "tenant_id", Owner: "user_id",
		Columns: []Column{
			{Name: "id", Type: Text, Label: "ID"},
			{Name: "queue", Type: Text},
			{Name: "jobId", From: "job_id", Type: Text, Label: "Job ID"},
			{Name: "jobName", From: "job_name", Type: Text},
			{Name: "attempt", Type: Integer},
			{Name: "status", Type: Text},
			{Name: "error", Type: Text},
			moment("queuedAt", "queued_at"),
			moment("startedAt", "started_at"),
			moment("finishedAt", "finished_at"),
			{Name: "waitMs", From: "wait_ms", Type: Integer, Label: "Wait (ms)"},
			{Name: "durationMs", From: "duration_ms", Type: Integer, Label: "Duration (ms)"},
			{Name: "worker", Type: Text},
		},
		Order: []Order{{Column: "finishedAt"}, {Column: "id"}},
	}
}

func artifacts() Dataset {
	return Dataset{
		Name: "artifacts",
		Select: "SELECT id, kind, owner_id, tenant_id, filename, content_type, bytes, sha256, rows_count, job_id," +
			" created_at, expires_at, deleted_at FROM artifacts",
		Tenant: "tenant_id", Owner: "owner_id",
		Columns: []Column{
			{Name: "id", Type: Text, Label: "ID"},
			{Name: "kind", Type: Text},
			{Name: "filename", Type: Text},
			{Name: "contentType", From: "content_type", Type: Text},
			{Name: "bytes", Type: Integer},
			{Name: "sha256", Type: Text, Label: "SHA-256"},
			{Name: "rows", From: "rows_count", Type: Integer},
			{Name: "jobId", From: "job_id", Type: Text, Label: "Job ID"},
			moment("createdAt", "created_at"),
			moment("expiresAt", "expires_at"),
			moment("deletedAt", "deleted_at"),
		},
		Order: []Order{{Column: "createdAt"}, {Column: "id"}},
	}
}

// moment is a timestamp of the service's own tables.
func moment(name, from string) Column {
	return Column{Name: name, From: from, Type: Timestamp, Stored: Millis}
}
