package server

import (
	"log/slog"
	"net/http"
	"time"
)

// logRequests writes a line when a request has ended, at level Debug, or Warn where the fault is ours. It has the path
// and not the query, where access_token may stand.
func logRequests(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		counted := &countingWriter{ResponseWriter: w}
		defer func() {
			level := slog.LevelDebug
			if counted.status >= 500 && counted.status != http.StatusServiceUnavailable {
				level = slog.LevelWarn
			}
			log.LogAttrs(r.Context(), level, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
				slog.Int("status", counted.status), slog.Duration("duration", time.Since(began)), slog.Int64("bytes", counted.bytes))
		}()
		next.ServeHTTP(counted, r)
	})
}

// A countingWriter notes what a handler answers. What a WebSocket carries after it was hijacked is not counted.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *countingWriter) WriteHeader(status int) {
	if c.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		c.status = status // the other 1xx come before the answer (RFC 9110 §15.2)
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Flush is for handlers that ask for an http.Flusher.
func (c *countingWriter) Flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController find the rest: hijacking, deadlines.
func (c *countingWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

var _ http.Flusher = (*countingWriter)(nil)
