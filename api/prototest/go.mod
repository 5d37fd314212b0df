// The check of the proto file against the golden frames needs a protobuf compiler; apart from the library so that its users do
// not inherit one.
module github.com/todoke-dev/todoke/api/prototest

go 1.26.0

require (
	github.com/bufbuild/protocompile v0.14.1
	google.golang.org/protobuf v1.36.12
)

require golang.org/x/sync v0.8.0 // indirect
