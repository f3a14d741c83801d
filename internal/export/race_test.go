//go:build race

package export_test

// The race detector makes everything take a multiple of its memory and time.
const raceDetector = true
