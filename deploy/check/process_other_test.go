//go:build !linux

package check

import "syscall"

// diesWithParent is known to Linux only; elsewhere the cleanup of a test has to do.
func diesWithParent() *syscall.SysProcAttr { return nil }
