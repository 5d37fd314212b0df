package adapter

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/todoke-dev/todoke/internal/load/payload"
)

func target(t *testing.T) Target {
	t.Helper()
	target, err := ParseTarget("http://127.0.0.1:7070/base/", "secret")
	if err != nil {
		t.Fatal(err)
	}
	return target
}

const channel = "bbeef12-00000042"

// resumed are as many values as the link has marks.
func resumed(l *Link) (after []string) {
	for range l.Marks {
		after = append(after, "k3f9-12")
	}
	return after
}

// Every request that an adapter makes is HTTP/1.1, to the target, and with the body that its length promises.
func TestRequests(t *testing.T) {
	names := map[string]bool{}
	for _, a := range All() {
		if names[a.Name] || a.About == "" || a.Reader.Request == nil {
			t.Errorf("%s: its name is taken, or something is missing", a.Name)
		}
		names[a.Name] = true
		for _, after := range [][]string{nil, resumed(&a.Reader)} {
			r := parse(t, a.Name, a.Reader.Request(target(t), channel, after))
			if upgrade := r.Header.Get("Upgrade") == "websocket"; upgrade != a.Reader.WebSocket {
				t.Errorf("%s: it upgrades: %t", a.Name, upgrade)
			}
			said := r.URL.String() + r.Header.Get("Last-Event-ID")
			for _, s := range a.Reader.Steps {
				if s.Send == nil && s.Await == "" {
					t.Errorf("%s: a step that does nothing", a.Name)
				}
				if s.Send != nil {
					said += s.Send(target(t), channel, after)
				}
			}
			if !strings.Contains(said, channel) {
				t.Errorf("%s: its readers never name the channel: %s", a.Name, said)
			}
			if resumes := strings.Contains(said, "k3f9-12"); resumes != (len(after) > 0) {
				t.Errorf("%s: it resumes: %t, with %q", a.Name, resumes, after)
			}
		}
		testPublisher(t, a)
	}
}

func testPublisher(t *testing.T, a Adapter) {
	run := payload.NewRun(1)
	message := string(run.Append(nil, payload.Stamp{Channel: 42}, 128))
	text := ""
	switch p := a.Publish; {
	case p.Request != nil:
		text = p.Request(target(t), channel, message)
		r := parse(t, a.Name, text)
		if r.Method != http.MethodPost || !strings.Contains(r.Header.Get("Authorization")+r.Header.Get("X-API-Key"), "secret") {
			t.Errorf("%s: %s, without the token: %v", a.Name, r.Method, r.Header)
		}
	case p.Link == nil || p.Frame == nil || p.Ack == "":
		t.Errorf("%s: it cannot publish", a.Name)
		return
	default:
		text = p.Frame(channel, message)
	}
	if strings.Count(text, message) != 1 || !strings.Contains(text, channel) {
		t.Errorf("%s: it publishes %.300q", a.Name, text)
	}
}

func parse(t *testing.T, name, text string) *http.Request {
	t.Helper()
	in := bufio.NewReader(strings.NewReader(text))
	r, err := http.ReadRequest(in)
	if err != nil {
		t.Fatalf("%s: %v in %q", name, err, text)
	}
	if r.Host != "127.0.0.1:7070" || !strings.HasPrefix(r.URL.Path, "/base/") || r.ProtoMinor != 1 {
		t.Errorf("%s: it asks for %s at %s", name, r.URL, r.Host)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Errorf("%s: its body: %v", name, err)
	}
	if n := in.Buffered(); n > 0 {
		t.Errorf("%s: %d bytes stand behind the request", name, n)
	}
	return r
}

func TestNamed(t *testing.T) {
	if a, err := Named("nats"); err != nil || a.Name != "nats" {
		t.Errorf("%q, %v", a.Name, err)
	}
	if _, err := Named("nothing"); err == nil || !strings.Contains(err.Error(), "todoke-sse") {
		t.Errorf("the error does not say what there is: %v", err)
	}
	for _, url := range []string{"https://a", "localhost:7070", "http://", "://"} {
		if _, err := ParseTarget(url, ""); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
	if target, _ := ParseTarget("http://[::1]", ""); target.Address() != "[::1]:80" {
		t.Errorf("the address is %s", target.Address())
	}
}

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		mark             Mark
	}{
		{"the last event", "retry: 1\nid: a-1\ndata: x\n\nid: a-2\ndata: y\n\n", "a-2", eventID[0]},
		{"one that is cut", "\nid: a-1\n\nid: a-", "a-1", eventID[0]},
		{"data that looks like one", "\nid: a-1\ndata: id: a-9\n\n", "a-1", eventID[0]},
		{"none", "data: x\n\n", "", eventID[0]},
		{"JSON", `{"push":{"offset":7}}{"push":{"offset":8,"x":1}`, "8", Mark{Before: `"offset":`, End: ",}"}},
	} {
		if got, _ := c.mark.Last([]byte(c.text)); string(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add([]byte("\nid: a-1\ndata: x\n\nid: a-2"))
	f.Fuzz(func(t *testing.T, text []byte) {
		value, ok := eventID[0].Last(text)
		if ok && !bytes.Contains(text, append(append([]byte("\nid: "), value...), '\n')) {
			t.Errorf("%q in %q", value, text)
		}
	})
}
