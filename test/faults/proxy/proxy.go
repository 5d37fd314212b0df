// Package proxy is a bad network: it carries TCP connections on loopback, and cuts them, makes them slow, or lets their
// bytes vanish while they stay open.
package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Proxy carries connections to one target. Its methods may be called from many goroutines.
type Proxy struct {
	target   string
	listener net.Listener
	life     context.Context
	end      context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex
	links  map[*link]struct{}
	delay  time.Duration
	silent chan struct{} // not nil: bytes vanish until it is closed
}

// New listens on a port of its own on loopback.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a proxy to %s: %w", target, err)
	}
	p := &Proxy{target: target, listener: l, links: map[*link]struct{}{}}
	p.life, p.end = context.WithCancel(context.Background())
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where to connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts everything and waits until it has ended.
func (p *Proxy) Close() {
	p.end()
	p.listener.Close()
	p.Cut()
	p.running.Wait()
}

// Cut resets every connection, and returns how many there were.
func (p *Proxy) Cut() int { return p.cut(func(*link) bool { return true }) }

// CutOne resets some connection, and reports whether there was one.
func (p *Proxy) CutOne() bool {
	first := true
	return p.cut(func(*link) bool { defer func() { first = false }(); return first }) > 0
}

// Delay holds back what is carried, in both directions, from now on. 0: no longer.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Silence lets all bytes vanish; also an end of a connection is not told to the other side. New connections are taken
// and lead nowhere.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil {
		p.silent = make(chan struct{})
	}
}

// Speak ends a silence. Connections that lost bytes in it are reset, for they cannot go on.
func (p *Proxy) Speak() {
	p.mu.Lock()
	silent := p.silent
	p.silent = nil
	p.mu.Unlock()
	if silent != nil {
		p.cut(func(l *link) bool { return l.robbed })
		close(silent)
	}
}

func (p *Proxy) cut(which func(*link) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links { // a map's order is random enough
		if which(l) {
			l.reset()
			delete(p.links, l)
			n++
		}
	}
	return n
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		l := &link{proxy: p, near: conn.(*net.TCPConn), done: make(chan struct{})}
		p.mu.Lock()
		p.links[l] = struct{}{}
		p.mu.Unlock()
		p.running.Go(l.run)
	}
}

// A link is one connection carried.
type link struct {
	proxy *Proxy
	done  chan struct{}

	// Guarded by proxy.mu.
	near, far *net.TCPConn
	robbed    bool // bytes of it vanished
	over      bool
}

// reset ends both sides as a router does that forgot them; with proxy.mu.
func (l *link) reset() {
	if l.over {
		return
	}
	l.over = true
	close(l.done)
	for _, c := range []*net.TCPConn{l.near, l.far} {
		if c != nil {
			c.SetLinger(0)
			c.Close()
		}
	}
}

func (l *link) drop() {
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	l.reset()
	delete(p.links, l)
}

func (l *link) run() {
	defer l.drop()
	if !l.mayPass() {
		return
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(l.proxy.life, "tcp", l.proxy.target)
	if err != nil {
		return
	}
	if !l.reach(conn.(*net.TCPConn)) {
		conn.Close()
		return
	}
	var back sync.WaitGroup
	back.Go(func() { l.pump(l.near, l.far) })
	l.pump(l.far, l.near)
	back.Wait()
}

func (l *link) reach(far *net.TCPConn) bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if !l.over {
		l.far = far
	}
	return !l.over
}

// pump carries one direction, and ends the connection when that ends.
func (l *link) pump(to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.lose() {
			if !l.hold() {
				break
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	l.mayPass()
	l.drop()
}

// lose reports whether what was read vanishes.
func (l *link) lose() bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if l.proxy.silent != nil {
		l.robbed = true
	}
	return l.robbed
}

// mayPass waits while there is silence; false: the connection ended meanwhile.
func (l *link) mayPass() bool {
	l.proxy.mu.Lock()
	silent := l.proxy.silent
	l.robbed = l.robbed || silent != nil
	l.proxy.mu.Unlock()
	if silent == nil {
		return true
	}
	select {
	case <-silent:
	case <-l.done:
	case <-l.proxy.life.Done():
	}
	return false
}

// hold waits as long as bytes take at the moment.
func (l *link) hold() bool {
	l.proxy.mu.Lock()
	d := l.proxy.delay
	l.proxy.mu.Unlock()
	if d == 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}
