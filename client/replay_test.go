package client_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/client"
)

// A server answers one publish, takes the next on the same connection, and is gone with the answer: the second may have been
// appended, and a client that finds nobody there when it asks again must not say that it was not.
func TestPublishDoesNotKnowWhatAKilledServerDid(t *testing.T) {
	for name, data := range map[string][]byte{"data": []byte("x"), "no data": nil} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			served := make(chan error, 1)
			go func() { served <- answerOneTakeTwo(l) }()

			o := quick()
			o.RetryFor = 1 // one attempt
			o.HTTPClient = &http.Client{Transport: &http.Transport{}}
			c := newClient(t, "http://"+l.Addr().String(), o)
			if _, err := c.Publish(soon(t), todoke.Message{Channel: "a", Data: data}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Publish(soon(t), todoke.Message{Channel: "a", Data: data}); !errors.Is(err, todoke.CodeUnknown) {
				t.Errorf("the error is %v", err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
}

func answerOneTakeTwo(l net.Listener) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	requests := bufio.NewReader(conn)
	for n := range 2 {
		r, err := http.ReadRequest(requests)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return err
		}
		if n == 0 {
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(publishedText))+"\r\n\r\n"+publishedText)
			if err != nil {
				return err
			}
		}
	}
	return l.Close()
}

// A redirect is still followed with the data.
func TestPublishFollowsARedirect(t *testing.T) {
	var got []byte
	f := newFake(t,
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		},
		func(w http.ResponseWriter, r *http.Request) {
			got, _ = io.ReadAll(r.Body)
			answerJSON(publishedText)(w, r)
		})
	if _, err := newClient(t, f.URL, client.Options{}).Publish(soon(t), todoke.Message{Channel: "a", Data: []byte("x")}); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}
