package redistest

import "syscall"

// diesWithParent has the kernel kill the server when this process is gone, even
// if it had no chance to clean up.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
