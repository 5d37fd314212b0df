package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestServes(t *testing.T) {
	server := httptest.NewServer(newServer())
	defer server.Close()
	url := server.URL + "/v1/channels/a/messages"
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for _, text := range []string{"one", "two"} {
		answer, err := http.Post(url, "text/plain", strings.NewReader(text))
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer, err)
		}
		answer.Body.Close()
	}
	in := bufio.NewReader(r.Body)
	got := ""
	for range 6 {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got += line
	}
	if want := "id: 1\ndata: one\n\nid: 2\ndata: two\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
