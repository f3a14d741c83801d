//go:build !linux

package boot

import "runtime/debug"

// Settle gives back the memory that only starting has needed.
func Settle() { debug.FreeOSMemory() }
