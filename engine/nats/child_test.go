package nats_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/engine/nats"
)

// childVariable makes the test program a publisher with an embedded server on that directory, which tells each acknowledged message.
const childVariable = "TODOKE_NATS_TEST_CHILD"

// child publishes until it is killed; false: this is no such process.
func child() bool {
	dir := os.Getenv(childVariable)
	if dir == "" {
		return false
	}
	e := nats.New(nats.Options{Dir: dir, Logger: quiet()})
	if err := e.Open(context.Background(), keep); err != nil {
		fmt.Println("open:", err)
		return true
	}
	var mu sync.Mutex
	var running sync.WaitGroup
	for p := range 4 {
		running.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d.%d", p, i)
				batch := []todoke.Message{{Channel: "a", Data: []byte(key), IdempotencyKey: key}}
				if i%10 == 9 {
					batch = append(batch, todoke.Message{Channel: "b", Data: []byte(key), IdempotencyKey: key})
				}
				results, err := publish(context.Background(), e, batch...)
				if err != nil {
					fmt.Println("publish:", err)
					return
				}
				mu.Lock()
				for i, r := range results {
					fmt.Println("ok", batch[i].Channel, key, r.Position)
				}
				mu.Unlock()
			}
		})
	}
	running.Wait()
	return true
}

// A process with its own server is killed in the midst of publishing: what it had acknowledged is where it said.
func TestKilledProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	acknowledged := map[string]string{} // channel and key → position
	for lines := bufio.NewScanner(out); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 4 || words[0] != "ok" {
			t.Errorf("the child says %q", lines.Text())
			break
		}
		acknowledged[words[1]+" "+words[2]] = words[3]
		if len(acknowledged) == 600 {
			cmd.Process.Kill() // what it has written until then still comes
		}
	}
	_ = cmd.Wait() // it was killed
	if len(acknowledged) < 600 {
		t.Fatalf("the child acknowledged %d", len(acknowledged))
	}
	began := time.Now()
	e := opened(t, nats.Options{Dir: dir})
	t.Logf("%d messages were acknowledged; opened again in %v", len(acknowledged), time.Since(began).Round(time.Millisecond))
	stored := map[string]string{}
	for _, channel := range []string{"a", "b"} {
		var after todoke.Offset
		for more := true; more; {
			p, err := e.Read(within(t), todoke.Range{Channel: channel, After: after, UpTo: head(t, e).Offset, Limit: 300})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range p.Messages {
				name := channel + " " + m.Text()
				if stored[name] != "" {
					t.Errorf("%s is there twice", name)
				}
				stored[name], after = m.Position.String(), m.Position.Offset
			}
			more = p.More
			if p.Lost != (todoke.Loss{}) && !strings.HasPrefix(channel, "a") {
				t.Errorf("%s: %+v", channel, p.Lost)
			}
		}
	}
	wrong := 0
	for name, at := range acknowledged {
		channel, key, _ := strings.Cut(name, " ")
		r, err := publish(within(t), e, todoke.Message{Channel: channel, Data: []byte("again"), IdempotencyKey: key})
		if err != nil {
			t.Fatal(err)
		}
		if kept, ok := stored[name]; ok && kept != at || !r[0].Duplicate || r[0].Position.String() != at {
			if wrong++; wrong < 5 {
				t.Errorf("%s was acknowledged at %s, is at %q, and repeated: %+v", name, at, kept, r[0])
			}
		}
	}
}
