//go:build !linux

package redistest

import "syscall"

// diesWithParent can be promised on Linux only. Elsewhere a server outlives a
// test binary that was killed.
func diesWithParent() *syscall.SysProcAttr { return nil }
