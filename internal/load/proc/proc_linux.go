package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// Read adds up what the processes have used.
func Read(pids ...int) (sum Usage, err error) {
	for _, pid := range pids {
		u, err := read(pid)
		if err != nil {
			return Usage{}, fmt.Errorf("reading what process %d has used: %w", pid, err)
		}
		sum.User += u.User
		sum.System += u.System
		sum.RSS += u.RSS
		sum.Anon += u.Anon
	}
	return sum, nil
}

func read(pid int) (u Usage, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, err
	}
	if u.User, u.System, err = parseStat(stat); err != nil {
		return u, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u, err
	}
	u.RSS, u.Anon = parseStatus(status)
	return u, nil
}

// parseStat reads the fields 14 and 15. The second is the program's name in brackets, which may have blanks and brackets in it.
func parseStat(text []byte) (user, system time.Duration, err error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, 0, fmt.Errorf("stat has %d fields behind the name", len(fields))
	}
	u, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return 0, 0, err
	}
	s, err := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(u) * tick, time.Duration(s) * tick, err
}

func parseStatus(text []byte) (rss, anon int64) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		switch string(fields[0]) {
		case "VmRSS:":
			rss = kib << 10
		case "RssAnon:":
			anon = kib << 10
		}
	}
	return rss, anon
}

// Listener finds the process that listens on a TCP port of this machine. It sees only those that this user may look into.
func Listener(port int) (pid int, err error) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // without IPv6 there is no second table
		}
		for _, inode := range listening(text, port) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	if len(sockets) == 0 {
		return 0, ErrNotFound
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if err == nil && sockets[to] {
			return strconv.Atoi(strings.Split(link, "/")[2])
		}
	}
	return 0, ErrNotFound
}

// listening returns the inodes of the sockets that listen on port, from a table of proc_net_tcp(5).
func listening(table []byte, port int) (inodes []string) {
	const stateListen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[3] == stateListen && strings.HasSuffix(fields[1], suffix) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}
