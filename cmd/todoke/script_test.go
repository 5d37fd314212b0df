package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A command is one of a script: what is typed, and what comes of it.
//
//	< a line of the standard input
//	$ the command
//	the standard output
//	! a part of the standard error
//	exit 1
//
// In what is printed, E stands for the log's epoch, TIME for a time, BINARY for bytes that are no text.
type command struct {
	line   int
	stdin  string
	args   []string
	stdout string
	stderr []string
	exit   int
}

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, path := range paths {
		commands := parseScript(t, path)
		if len(commands) == 0 {
			continue // an input of another script
		}
		ran++
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, url := serve(t)
			epoch := ""
			for _, c := range commands {
				c.run(t, url, &epoch)
			}
		})
	}
	if ran == 0 {
		t.Error("there is no script")
	}
}

func parseScript(t *testing.T, path string) (commands []command) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var stdin string
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		last := len(commands) - 1
		switch {
		case strings.HasPrefix(line, "# "):
			// The blank line before a comment belongs to it.
			if last >= 0 && (commands[last].stdout == "\n" || strings.HasSuffix(commands[last].stdout, "\n\n")) {
				commands[last].stdout = strings.TrimSuffix(commands[last].stdout, "\n")
			}
		case strings.HasPrefix(line, "< "):
			stdin += line[2:] + "\n"
		case strings.HasPrefix(line, "$ todoke"):
			commands = append(commands, command{line: i + 1, stdin: stdin, args: fields(line[len("$ todoke"):])})
			stdin = ""
		case last < 0:
			return nil
		case strings.HasPrefix(line, "! "):
			commands[last].stderr = append(commands[last].stderr, line[2:])
		case strings.HasPrefix(line, "exit "):
			commands[last].exit, _ = strconv.Atoi(line[5:])
		default:
			commands[last].stdout += line + "\n"
		}
	}
	return commands
}

// fields splits at blanks, single quotes keep them.
func fields(line string) (all []string) {
	for _, match := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, match[1]+match[2])
	}
	return all
}

var (
	position = regexp.MustCompile(`\b([0-9a-z]{1,32})(-\d+)\b`)
	times    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
)

func (c command) run(t *testing.T, url string, epoch *string) {
	t.Helper()
	args := append([]string(nil), c.args...)
	for i, arg := range args {
		if strings.HasPrefix(arg, "E-") {
			args[i] = *epoch + arg[1:]
		}
	}
	p := launch(t, []string{"TODOKE_URL=" + url}, c.stdin, args...)
	exit := p.end(t)
	out := times.ReplaceAllString(p.out.String(), "TIME")
	if *epoch == "" {
		if found := position.FindStringSubmatch(out); found != nil {
			*epoch = found[1]
		}
	}
	if *epoch != "" {
		out = strings.ReplaceAll(out, *epoch+"-", "E-")
	}
	out = strings.ReplaceAll(out, "\x89PNG\xff", "BINARY")
	if out != c.stdout || exit != c.exit {
		t.Errorf("line %d: %s\nexit %d, want %d\n%s", c.line, strings.Join(c.args, " "), exit, c.exit, sideBySide(out, c.stdout)+p.err.String())
	}
	for _, part := range c.stderr {
		if !strings.Contains(p.err.String(), part) {
			t.Errorf("line %d: %s\nstderr is\n%s\nwithout %q", c.line, strings.Join(c.args, " "), &p.err, part)
		}
	}
}

func sideBySide(got, want string) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("printed\n%s\nwant\n%s\n", got, want)
}
