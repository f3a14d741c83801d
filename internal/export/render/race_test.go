//go:build race

package render_test

// The race detector makes everything take a multiple of its memory and time.
const raceDetector = true
