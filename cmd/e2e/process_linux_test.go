package e2e_test

import "syscall"

// diesWithParent has the kernel end a process when the test binary is gone.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
