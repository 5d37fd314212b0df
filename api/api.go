// Package api holds the wire in schemas: the HTTP interface as OpenAPI 3.1 and the session's frames as protobuf. What
// they mean is in docs/protocol.md; testdata/ has golden vectors of every shape, which the tests of Go, of the JavaScript SDK and
// of the console all read (testdata/README.md says how).
package api

import _ "embed"

// OpenAPI is the OpenAPI 3.1 document of everything below /v1/, in YAML (RFC 9512). It must not be changed.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Proto is the text of todoke/v1/todoke.proto: the frames of a session, for those who generate a client.
//
//go:embed todoke/v1/todoke.proto
var Proto string
