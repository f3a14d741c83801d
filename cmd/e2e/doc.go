// Package e2e holds the tests of the product as a customer has it: the binaries,
// built once and started as processes, on servers that are real.
//
//	test ──HTTP──▶ api ──▶ Redis (own process, appendfsync always) ──▶ worker ──▶ SMTP catcher
//	                └────▶ PostgreSQL or SQLite ◀────────────────────────┘  └───▶ files, or S3
//
// Each test has a world of its own: servers, a database, a mailbox, ports. The
// services run in production mode, with keys. What a test starts ends with it,
// and with the test binary should that be killed. A test that fails shows what
// its processes logged.
//
// Nothing here sleeps: a test waits for something that it can see, with a
// deadline that says what did not come.
package e2e
