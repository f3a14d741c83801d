//go:build !linux

package interop_test

import "syscall"

// diesWithParent has no portable form; the processes also end with their input.
func diesWithParent() *syscall.SysProcAttr { return nil }
