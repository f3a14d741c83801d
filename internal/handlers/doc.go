// Package handlers is the HTTP API: it takes requests, answers 202 once a job is
// safe, and shows what became of it.
//
//	request
//	  │ request id, log line, metrics, recover, headers, CORS, cross-origin check
//	  ▼
//	route ──── the table in routes.go says who may call, how large a body may be …
//	  │ in-flight bound ▶ caller (key or token) ▶ rate limit ▶ scope ▶ share of the waiting
//	  │ body: size, type, strict JSON ▶ deadline ▶ idempotency
//	  ▼
//	handler ─▶ (answer | error) ─▶ JSON or application/problem+json
//
// What is promised:
//   - A 202 is sent after Redis has stored the job, and never while the guard
//     says that Redis may lose it.
//   - When Redis or the database is away, an answer comes within two seconds: a
//     503 that says when to try again.
//   - The same Idempotency-Key and body give the same answer and no second job,
//     even when this process died in between: the job's id follows from the key.
//   - Errors have one form, and never carry the values that were sent, a secret
//     or a stack.
//   - However many clients look at a job or a queue, Redis is read about once: one
//     event stream per queue is shared by all who wait, and counts are cached.
//
// The package knows the queue, the database and the file store as small
// interfaces, see Options; package adapt makes them of the real things.
package handlers
