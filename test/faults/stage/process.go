//go:build unix

// Package stage runs the real programs of test/faults: nodes of todoke, NATS and Redis, each in a process of its own, on ports
// and data that outlive it, behind proxies.
package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A Process is a program that is started, killed and started again with the same arguments. Its output goes to a file.
type Process struct {
	Name   string
	path   string
	args   []string
	port   int
	log    string
	exited func(name, why string) // when it ended by itself

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has
	ours  bool          // we ended it, or expect it to end
}

// startTimeout bounds the wait for a process to listen: one that has a log to read may take a while.
const startTimeout = 30 * time.Second

// errEnded: it ended before it listened.
var errEnded = errors.New("ended at its start")

func newProcess(name, path string, port int, dir string, exited func(name, why string), args ...string) *Process {
	return &Process{Name: name, path: path, args: args, port: port, log: filepath.Join(dir, name+".log"), exited: exited}
}

// Start starts it, if it does not run, and waits until it listens.
func (p *Process) Start(ctx context.Context) error {
	p.mu.Lock()
	if p.running() {
		p.ours = false
		p.mu.Unlock()
		return nil
	}
	err := p.launch()
	ended := p.ended
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	return p.listens(ctx, ended)
}

// launch is called with mu.
func (p *Process) launch() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s: started\n", time.Now().Format("15:04:05.000"))
	cmd := exec.Command(p.path, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own: Ctrl-C at the terminal is for the harness, which then ends its processes.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.ours = cmd, ended, true // until it listens, Start says that it ended
	go func() {
		_ = cmd.Wait() // its state says how
		p.mu.Lock()
		ours := p.ours
		close(ended)
		p.mu.Unlock()
		if !ours {
			p.exited(p.Name, cmd.ProcessState.String()+"; see "+p.log)
		}
	}()
	return nil
}

// Restart is what a supervisor does: it starts the process again until it stays. A node ends at its start while Redis
// still reads its data, and says so.
func (p *Process) Restart(ctx context.Context) error {
	end := time.Now().Add(startTimeout)
	for {
		err := p.Start(ctx)
		if !errors.Is(err, errEnded) || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (p *Process) listens(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address(p.port))
		if err == nil {
			p.mu.Lock()
			p.ours = false // from now on it should stay
			p.mu.Unlock()
			return conn.Close()
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ended:
			return fmt.Errorf("%s %w; see %s", p.Name, errEnded, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on port %d; see %s: %w", p.Name, p.port, p.log, ctx.Err())
		}
	}
}

// running is called with mu.
func (p *Process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Kill is kill -9. It returns when the process has ended.
func (p *Process) Kill() error {
	p.mu.Lock()
	if !p.running() {
		p.mu.Unlock()
		return nil
	}
	p.ours = true
	err := p.cmd.Process.Kill()
	ended := p.ended
	p.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	<-ended
	return nil
}

// MayEnd says that the process may end by itself, until it is started again.
func (p *Process) MayEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ours = true
}

// Pause is SIGSTOP: it is there, and does nothing.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Continue ends a Pause.
func (p *Process) Continue() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("%s does not run", p.Name)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signal %v to %s: %w", s, p.Name, err)
	}
	return nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// freePorts finds ports that nobody uses at the moment.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
