package interop_test

import "syscall"

// diesWithParent has the kernel kill a process when this one is gone, even if it
// had no chance to clean up.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
