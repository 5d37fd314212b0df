package httpapi

import (
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/todoke-dev/todoke"
	"github.com/todoke-dev/todoke/transport/frame"
	"github.com/todoke-dev/todoke/transport/request"
)

// publish publishes the body on the channel of the path.
func (a *api) publish(w http.ResponseWriter, r *http.Request, channel string) {
	if _, err := request.Accept(r, request.JSON); err != nil {
		a.refuse(w, r, err)
		return
	}
	done := a.limitBody(w)
	m, err := request.ParsePublish(w, r, channel, a.hub.MaxMessageBytes(channel))
	done()
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	published, err := a.hub.Gate().Publish(r.Context(), m)
	if err != nil {
		a.refuse(w, r, request.NameHeader(err))
		return
	}
	answer(w, frame.AppendPublished(nil, published))
}

// publishEnvelope publishes what a JSON document holds.
func (a *api) publishEnvelope(w http.ResponseWriter, r *http.Request) {
	if _, err := request.Accept(r, request.JSON); err != nil {
		a.refuse(w, r, err)
		return
	}
	if base, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || base != request.JSON {
		w.Header().Set("Accept", request.JSON) // RFC 9110 §15.5.16
		a.refuse(w, r, &todoke.Error{
			Code: todoke.CodeUnsupportedType, Field: "Content-Type",
			Hint: "an envelope is application/json; to publish a body as it is, POST it to /v1/channels/{channel}/messages", Err: err,
		})
		return
	}
	done := a.limitBody(w)
	body, err := request.ReadBody(w, r, a.o.MaxEnvelopeBytes)
	done()
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	messages, single, err := request.ParseEnvelope(body, todoke.MaxBatch)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	if single {
		a.publishOne(w, r, messages[0])
		return
	}
	results, err := a.hub.Gate().PublishBatch(r.Context(), messages)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	answer(w, appendResults(nil, results))
}

func (a *api) publishOne(w http.ResponseWriter, r *http.Request, m todoke.Message) {
	published, err := a.hub.Gate().Publish(r.Context(), m)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	answer(w, frame.AppendPublished(nil, published))
}

// limitBody gives the client Options.BodyTimeout to send the body; done lifts the limit again. A ResponseWriter without deadlines has
// the server's own.
func (a *api) limitBody(w http.ResponseWriter) (done func()) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(a.o.BodyTimeout))
	return func() { _ = control.SetReadDeadline(time.Time{}) }
}

func appendResults(dst []byte, results []todoke.Published) []byte {
	dst = append(dst, `{"results":[`...)
	for i, published := range results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = frame.AppendPublished(dst, published)
	}
	return append(dst, "]}"...)
}

// answer sends a JSON document that nobody keeps.
func answer(w http.ResponseWriter, body []byte) {
	header := w.Header()
	header.Set("Content-Type", request.JSON)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // an error here means that the client is gone; its idempotency key finds the answer again
}
