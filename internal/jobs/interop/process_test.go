package interop_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// process is a child that speaks in lines.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended and all was read

	mu    sync.Mutex // guards stdin
	stdin io.WriteCloser
}

// launch starts a command. hear gets each line that the child writes, in order,
// from one goroutine; what it writes to stderr goes to ours.
func launch(cmd *exec.Cmd, hear func(line []byte)) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = diesWithParent()
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go p.attend(output, hear, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// attend keeps its thread until the child has ended: the kernel kills the child
// when the thread that started it goes away.
func (p *process) attend(output io.Reader, hear func([]byte), started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		hear(line)
	}
	_ = p.cmd.Wait() // an exit by signal is the usual end here, not a failure
	close(p.exited)
}

func (p *process) write(line []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.stdin.Write(append(line, '\n'))
	return err
}

// kill ends the child at once, as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended by itself
	<-p.exited
}
