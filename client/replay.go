package client

import (
	"io"
	"net/http"
)

// unrepeated keeps net/http from sending a publish again by itself. It does that with a request that has an Idempotency-Key, when a
// connection that was used before breaks; the answer to the second, or that nobody is there any more, would then pass for the
// outcome of the first, and "it was not appended" be said of a message that was. repeat sends it again, and knows what it does not know.
type unrepeated struct{ http.RoundTripper }

// publishesOnce is a copy of c that is unrepeated.
func publishesOnce(c *http.Client) *http.Client {
	own := *c
	if own.Transport == nil {
		own.Transport = http.DefaultTransport
	}
	own.Transport = unrepeated{own.Transport}
	return &own
}

func (u unrepeated) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(req.Header["Idempotency-Key"]) > 0 {
		// net/http repeats what has no body, or one that it can get again. A copy: redirects still get it.
		once := *req
		once.GetBody = nil
		if once.Body == nil || once.Body == http.NoBody {
			once.Body = struct{ io.ReadCloser }{http.NoBody}
		}
		req = &once
	}
	return u.RoundTripper.RoundTrip(req)
}
