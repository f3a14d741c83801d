// Package queue is for whoever adds jobs.
//
//	q, err := queue.New(conn, "email", queue.Options{})
//	added, err := queue.On(q, Welcome).Add(ctx, WelcomeMail{To: "ada@example.com"}, jobs.Options{})
//
// When Add returns without an error, the job is stored in Redis; whether it is
// then on disk is the server's setting (redisconn.Check tells). When it returns
// an error that is jobs.ErrUnavailable, the job may or may not be stored: add it
// again with the id that came back, and it will be there once.
//
// Adds that arrive while a call is under way travel together in the next one:
//
//	Add ──▶ waiting entries ──▶ flush (one goroutine while there are any) ──▶ add.lua
//	 ▲                                                                         │
//	 └───────────────────── each entry gets its own answer ◀───────────────────┘
package queue
