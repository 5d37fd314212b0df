//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package front

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

func appendStatus(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	if text := http.StatusText(status); text != "" {
		dst = append(dst, text...)
	} else {
		dst = strconv.AppendInt(append(dst, "status code "...), int64(status), 10)
	}
	return append(dst, "\r\n"...)
}

// appendFields appends the handler's headers, without those that are decided here.
func (w *response) appendFields(dst []byte) []byte {
	for name, values := range w.header {
		switch name {
		case "Content-Length", "Transfer-Encoding":
			continue
		case "Connection":
			w.connection = values
			continue
		case "Content-Type":
			if w.typed = true; w.status == http.StatusNotModified {
				continue
			}
		case "Content-Encoding":
			w.typed = w.typed || len(values) > 0 && values[0] != "" // what is in there cannot be told by looking
		case "Date":
			w.dated = true
		}
		for _, value := range values {
			dst = appendField(dst, name, value)
		}
	}
	return dst
}

// endHead completes the head. last says that nothing more is going to be written.
func (w *response) endHead(last bool) {
	w.sent = true
	if !w.dated {
		w.out = appendField(w.out, "Date", w.c.f.date())
	}
	if bodyAllowed(w.status) {
		if !w.typed && len(w.body) > 0 {
			w.out = appendField(w.out, "Content-Type", http.DetectContentType(w.body))
		}
		length := w.declared
		if length < 0 && last {
			length = int64(len(w.body))
		}
		if w.chunked = length < 0; w.chunked {
			w.out = append(w.out, "Transfer-Encoding: chunked\r\n"...)
		} else {
			w.out = append(w.out, "Content-Length: "...)
			w.out = strconv.AppendInt(w.out, length, 10)
			w.out = append(w.out, "\r\n"...)
		}
	}
	w.close = w.close || w.c.f.closing.Load()
	if w.close && w.status != http.StatusSwitchingProtocols {
		w.out = append(w.out, "Connection: close\r\n"...)
	} else {
		for _, value := range w.connection {
			w.out = appendField(w.out, "Connection", value)
		}
	}
	w.out = append(w.out, "\r\n"...)
}

// breaks are what would end a field too early.
var breaks = strings.NewReplacer("\r", " ", "\n", " ")

func appendField(dst []byte, name, value string) []byte {
	if !isToken(name) {
		return dst // as net/http has it
	}
	if strings.ContainsAny(value, "\r\n") {
		value = breaks.Replace(value)
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, textproto.TrimString(value)...)
	return append(dst, "\r\n"...)
}

type second struct {
	unix int64
	text string
}

// date is what Date says; it is made once a second.
func (f *Front) date() string {
	now := time.Now()
	if last := f.second.Load(); last != nil && last.unix == now.Unix() {
		return last.text
	}
	text := now.UTC().Format(http.TimeFormat)
	f.second.Store(&second{now.Unix(), text})
	return text
}
