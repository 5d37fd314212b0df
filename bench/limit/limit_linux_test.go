package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text    string
		post          bool
		channel, body string
		missing       bool
	}{
		{"a reader", "GET /v1/channels/a:b/messages?since=x HTTP/1.1\r\nHost: h\r\n\r\n", false, "a:b", "", false},
		{"a publish", "POST /v1/channels/a/messages HTTP/1.1\r\nContent-Length: 5\r\nHost: h\r\n\r\nhello", true, "a", "hello", false},
		{"another path", "GET /healthz HTTP/1.1\r\n\r\n", false, "", "", true},
		{"no channel", "GET /v1/channels//messages HTTP/1.1\r\n\r\n", false, "", "", true},
	} {
		r, n := parse([]byte(c.text + "GET"))
		if n != len(c.text) || r.post != c.post || string(r.channel) != c.channel || string(r.body) != c.body || (r.channel == nil) != c.missing {
			t.Errorf("%s: %+v, %d", c.name, r, n)
		}
		for i := range len(c.text) {
			if _, n := parse([]byte(c.text[:i])); n != 0 {
				t.Errorf("%s: complete after %d of %d bytes", c.name, i, len(c.text))
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("POST /v1/channels/a/messages HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET"))
	f.Add([]byte("GET /v1/channels/a/messages HTTP/1.1\r\nContent-Length: \r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, n := parse(text); n < 0 || n > len(text) || len(r.body) > n {
			t.Errorf("%+v, %d of %d", r, n, len(text))
		}
	})
}

// launch starts the program and returns its URL.
func launch(t *testing.T, mode string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "limit")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-mode", mode, "-listen", "127.0.0.1:0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// An ordinary HTTP client reads what an ordinary one publishes, in both modes; channels do not mix.
func TestServes(t *testing.T) {
	for _, mode := range []string{"bare", "shared"} {
		t.Run(mode, func(t *testing.T) {
			url := launch(t, mode) + "/v1/channels/"
			var streams []*bufio.Reader
			for _, name := range []string{"a", "a", "b"} {
				r, err := http.Get(url + name + "/messages")
				if err != nil {
					t.Fatal(err)
				}
				defer r.Body.Close()
				if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "text/event-stream" {
					t.Fatalf("%s, %v", r.Status, r.Header)
				}
				streams = append(streams, bufio.NewReader(r.Body))
			}
			want := map[string]string{}
			for i := range 50 {
				for _, name := range []string{"a", "b"} {
					text := fmt.Sprintf("%s %d", name, i)
					r, err := http.Post(url+name+"/messages", "text/plain", strings.NewReader(text))
					if err != nil {
						t.Fatal(err)
					}
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
					want[name] += "data: " + text + "\n"
				}
			}
			for i, name := range []string{"a", "a", "b"} {
				if got := readEvents(t, streams[i], 50); got != want[name] {
					t.Errorf("reader %d got\n%s", i, got)
				}
			}
		})
	}
}

// readEvents returns the data lines of n events.
func readEvents(t *testing.T, r *bufio.Reader, n int) (data string) {
	t.Helper()
	for n > 0 {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "data: ") {
			data += line
			n--
		}
	}
	return data
}

// Requests that come in pieces or joined are answered in order.
func TestPiecesAndPipelines(t *testing.T) {
	address := strings.TrimPrefix(launch(t, "bare"), "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := "POST /v1/channels/a/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
	text := strings.Repeat(request, 3) + "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"
	for i := 0; i < len(text); i += 50 {
		if _, err := io.WriteString(conn, text[i:min(len(text), i+50)]); err != nil {
			t.Fatal(err)
		}
	}
	want := bytes.Repeat(published, 3)
	want = append(want, notFound...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: %q", err, got)
	}
}

func TestListenOnThisMachineOnly(t *testing.T) {
	if _, _, err := listen("0.0.0.0:0"); err == nil {
		t.Error("it listens to the world")
	}
}
