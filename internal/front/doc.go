// Package front answers plain HTTP/1.1 requests of the two kinds that a delivery server gets most of, streams that are opened and
// publishes, for a fraction of what net/http spends on them, with the same http.Handler. Everything else it leaves to net/http.
//
// A connection that waits for its next request has no goroutine and no buffer (package reactor). When a request has come, whole and in
// the plainest form, a goroutine from a small stock calls the handler and writes the answer in one go. Plain means: GET or POST, a head
// without any of the old or rare forms, a body with Content-Length that has come already, and what Options.Takes lets in. At the first
// request that is anything else, the connection goes over to net/http for good, with what was read of it ([Front] is the
// net.Listener of an http.Server): whatever is strange is judged there. So this package has a parser that may say no to anything; what it says
// yes to, net/http's would read in the same way, and a fuzz test holds it to that.
//
// Handlers may do here what they may do there: flush, hijack, set deadlines. A hijacked connection can be detached as a
// descriptor (Detach), which spares the net package's part altogether.
//
// What differs from net/http: answers have no trailers; a body that is written without a length is gathered up to 64 KiB before it is sent in
// chunks; http.ServerContextKey and http.LocalAddrContextKey are not set, and http.MaxBytesReader does not close the connection. On a connection's
// first request it is half a second before anybody looks whether the client has gone. A ResponseWriter is of no use once its handler has
// returned.
//
// Linux only, as the reactor. Elsewhere Listen fails with errors.ErrUnsupported.
package front
