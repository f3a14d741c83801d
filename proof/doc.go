// Package proof breaks things on purpose and counts what was kept.
package proof
