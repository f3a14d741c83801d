package check

import "syscall"

// diesWithParent has the kernel end a program when the test binary is gone.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
