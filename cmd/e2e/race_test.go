//go:build race

package e2e_test

// raceEnabled: the binaries are then built with the race detector too.
const raceEnabled = true
