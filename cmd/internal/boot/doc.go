// Package boot is what every binary does around its own work: read flags, log,
// listen for signals, answer probes, and stop in order.
//
//	main ──▶ Main: --help, --version, healthcheck; otherwise
//	           Program.Run(ctx) ◀── ctx ends with the first SIGINT or SIGTERM;
//	             │                   a second one ends the process at once
//	             ├─ NewLogger
//	             ├─ Teardown   what was built last is closed first, under one deadline
//	             ├─ Group      long-lived roles: the first to fail stops the others
//	             ├─ Health     checks → /livez /readyz /health
//	             └─ Server     the API's listener and the one for operators
//
// Exit codes: 0 clean, SIGTERM included; 1 it failed while running; 2 it was
// started wrongly, and stderr says how.
package boot
