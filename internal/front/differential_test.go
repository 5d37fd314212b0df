//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// answers are what a handler may do, by path.
func answers(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch r.URL.Path {
	case "/empty":
	case "/204":
		h.Set("Content-Length", "3")
		w.WriteHeader(http.StatusNoContent)
		_, err := w.Write([]byte("abc"))
		if err != http.ErrBodyNotAllowed {
			panic(err)
		}
	case "/304":
		h.Set("Content-Type", "text/plain")
		h.Set("Etag", `"a"`)
		w.WriteHeader(http.StatusNotModified)
	case "/299":
		w.WriteHeader(299)
	case "/late":
		w.WriteHeader(http.StatusCreated)
		h.Set("X-Late", "must not be sent")
		h.Set("Content-Type", "late/late")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "<html>")
	case "/inject":
		h.Set("X-A", "a\r\nX-B: b\n\n<p>")
		h["X C"], h["X-D\r\nX-E"] = []string{"c"}, []string{"d"}
		h["X-F"] = []string{" f ", "", "g"}
	case "/length":
		h.Set("Content-Length", "5")
		io.WriteString(w, "hello")
		if _, err := io.WriteString(w, "!"); err != http.ErrContentLength {
			panic(err)
		}
	case "/short":
		h.Set("Content-Length", "50")
		io.WriteString(w, "hello")
	case "/badlength":
		h.Set("Content-Length", "many")
		http.NewResponseController(w).Flush()
	case "/flushedlength":
		h.Set("Content-Length", "10")
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		io.WriteString(w, "hello")
	case "/close":
		h.Set("Connection", "close")
		io.WriteString(w, "closed")
	case "/encoded":
		h.Set("Content-Encoding", "br")
		io.WriteString(w, "<html>")
	case "/untyped":
		h["Content-Type"], h["Date"] = nil, nil
		io.WriteString(w, "<html>")
	case "/flush":
		for i := range 3 {
			fmt.Fprintf(w, "part %d,", i)
			w.(http.Flusher).Flush()
		}
	case "/flushnothing":
		w.(http.Flusher).Flush()
		io.WriteString(w, "<html>")
	case "/flush204":
		w.WriteHeader(http.StatusNoContent)
		w.(http.Flusher).Flush()
	case "/large":
		for range 100 {
			io.WriteString(w, strings.Repeat("x", 10_000))
		}
	case "/early":
		h.Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "ready")
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/panic":
		io.WriteString(w, "never seen")
		panic("what now")
	case "/badstatus":
		w.WriteHeader(1000)
	case "/unread":
		io.WriteString(w, "not read")
	default:
		tell(w, r)
	}
}

// scripts are what a client sends, all of it, before it ends its direction.
func scripts() map[string]string {
	all := map[string]string{
		"pipelined":                    post("Content-Length: 5\r\n", "hello") + get("") + post("Content-Length: 0\r\n", "") + get("Connection: close\r\n"),
		"pipelined, then strange":      post("Content-Length: 5\r\n", "hello") + "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + get(""),
		"pipelined, then malformed":    get("") + "GET / HTTP/1.1\r\n\r\n",
		"pipelined, other":             get("") + "GET /other HTTP/1.1\r\nHost: a\r\n\r\n" + get(""),
		"an empty line after a POST":   post("Content-Length: 5\r\n", "hello") + "\r\n" + get(""),
		"two empty lines after a POST": post("Content-Length: 5\r\n", "hello") + "\r\n\r\n" + get(""),
		"three after a POST":           post("Content-Length: 5\r\n", "hello") + "\r\n\r\n\r\n" + get(""),
		"an empty line after a GET":    get("") + "\r\n" + get(""),
		"nothing after close":          get("Connection: close\r\n") + get(""),
		"cut in the body":              post("Content-Length: 50\r\n", "hello"),
		"cut in the head":              "GET / HTTP/1.1\r\nHost: a\r\nX",
		"pragma":                       get("Pragma: no-cache\r\n"),
		"smuggled in the body":         post("Content-Length: 44\r\n", "GET /smuggled HTTP/1.1\r\nHost: attacker.test\r\n\r\n"),
		"chunks":                       post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n") + get(""),
		"asked first":                  post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
		"HEAD":                         "HEAD /empty HTTP/1.1\r\nHost: a\r\n\r\n" + get(""),
		"a large POST":                 post("Content-Length: 40000\r\n", strings.Repeat("y", 40000)) + get(""),
		"the largest POST":             post("Content-Length: 32768\r\n", strings.Repeat("y", 32768)) + get(""),
		"unread":                       "POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get(""),
	}
	for _, path := range strings.Fields("/empty /204 /304 /299 /late /inject /length /short /badlength /flushedlength /close /encoded /untyped " +
		"/flush /flushnothing /flush204 /large /early /abort /panic /badstatus") {
		all[path] = "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n" + get("")
	}
	for _, c := range parseCases {
		all["case: "+c.name] = c.in
	}
	return all
}

// TestAnswersAreThoseOfNetHTTP plays scripts to a server with a front and to one without.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	_, ours := start(t, http.HandlerFunc(answers), nil)
	_, inline := start(t, http.HandlerFunc(answers), func(o *Options) {
		o.Inline = func(r *http.Request) bool { return r.URL.Path != "/large" && !strings.HasPrefix(r.URL.Path, "/flush") }
	})
	theirs := startPlain(t, http.HandlerFunc(answers))
	for name, script := range scripts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := play(t, theirs, script, len(script))
			for _, address := range []string{ours, inline} {
				if got := play(t, address, script, len(script)); got != want {
					t.Errorf("at once: got\n%s\nwant\n%s", got, want)
				}
				if len(script) > 2000 {
					continue
				}
				for at := 1; at < len(script); at += 1 + len(script)/40 {
					if got := play(t, address, script, at); got != want {
						t.Fatalf("cut at %d: got\n%s\nwant\n%s", at, got, want)
					}
				}
			}
		})
	}
}

// play sends a script, cut into two, and tells what came back, without what may differ.
func play(t *testing.T, address, script string, at int) string {
	t.Helper()
	conn := dial(t, address)
	defer conn.Close()
	go func() {
		io.WriteString(conn, script[:at])
		io.WriteString(conn, script[at:]) // without Nagle, so mostly a segment of its own
		conn.CloseWrite()
	}()
	var got strings.Builder
	from := bufio.NewReader(conn)
	for {
		response, err := http.ReadResponse(from, &http.Request{Method: methodOf(script)})
		if err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatalf("no end came of %q; so far %s", script[:min(len(script), 200)], got.String())
			}
			return got.String() + "end"
		}
		body, err := io.ReadAll(response.Body)
		complete := err == nil
		if errors.Is(err, syscall.ECONNRESET) { // something was unread: whether the client sees that is chance
			complete = response.ContentLength < 0 && response.TransferEncoding == nil
		}
		if response.Header.Del("Date"); len(body) > 2048 {
			response.Header.Del("Content-Length") // net/http begins to send chunks earlier
		}
		fmt.Fprintf(&got, "%s %v %q %v\n", response.Status, response.Header, body, complete)
	}
}

func methodOf(script string) string {
	if strings.HasPrefix(script, "HEAD") {
		return "HEAD"
	}
	return "GET"
}
