// Package prototest holds api/todoke/v1/todoke.proto and the JSON of a session to each other: every golden frame is read by
// the JSON mapping of the proto file, and written again by it, and must come out as it was.
package prototest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

func compile(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{".."}})}
	files, err := compiler.Compile(context.Background(), "todoke/v1/todoke.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

// TestNames: the JSON name of every field is its own name, and written out.
func TestNames(t *testing.T) {
	messages := compile(t).Messages()
	for i := range messages.Len() {
		message := messages.Get(i)
		for j := range message.Fields().Len() {
			field := message.Fields().Get(j)
			if !message.IsMapEntry() && (!field.HasJSONName() || field.JSONName() != string(field.Name())) {
				t.Errorf("%s: write [json_name = %q]", field.FullName(), field.Name())
			}
		}
	}
}

// TestFrames takes all vectors that are frames of a session, or parts of one.
func TestFrames(t *testing.T) {
	file := compile(t)
	seen := make(map[protoreflect.FullName]bool)
	try := func(name, message, text string) {
		t.Helper()
		roundTrip(t, file.Messages().ByName(protoreflect.Name(message)), name, text, seen)
	}
	for _, v := range read[struct{ Conversation []exchange }](t, "session").Conversation {
		try(v.Name, "ClientFrame", v.Send)
		for _, text := range v.Get {
			try(v.Name, "ServerFrame", text)
		}
	}
	for _, v := range read[struct{ Refused []exchange }](t, "session").Refused {
		for _, text := range v.Get {
			try(v.Name, "ServerFrame", text)
		}
	}
	for _, v := range read[[]vector[struct{ Object string }]](t, "messages") {
		try(v.Name, "ServerFrame", `{"message":`+v.Wire.Object+`}`)
	}
	for _, v := range read[[]vector[struct{ Frame string }]](t, "gaps") {
		try(v.Name, "ServerFrame", v.Wire.Frame)
	}
	for _, v := range read[[]vector[struct{ Frame string }]](t, "reconnect") {
		try(v.Name, "ServerFrame", v.Wire.Frame)
	}
	for _, v := range read[[]vector[struct{ Session string }]](t, "problems") {
		try(v.Name, "ServerFrame", v.Wire.Session)
	}
	for _, v := range read[[]vector[string]](t, "published") {
		try(v.Name, "Published", v.Wire)
	}
	for _, v := range read[struct {
		Valid []vector[struct{ Session string }]
	}](t, "positions").Valid {
		try(v.Wire.Session, "ServerFrame", v.Wire.Session)
	}
	everyFieldWasSeen(t, file, seen)
}

// everyFieldWasSeen: a field of the proto file that no vector has is one that nobody has tried.
func everyFieldWasSeen(t *testing.T, file protoreflect.FileDescriptor, seen map[protoreflect.FullName]bool) {
	t.Helper()
	for _, name := range []protoreflect.Name{
		"ClientFrame", "ServerFrame", "Message", "Gap", "Published", "Error", "Subscribe", "Unsubscribe", "Subscribed", "Unsubscribed", "Reconnect", "Envelope",
	} {
		fields := file.Messages().ByName(name).Fields()
		for i := range fields.Len() {
			if full := fields.Get(i).FullName(); !seen[full] {
				t.Errorf("no vector has the field %s", full)
			}
		}
	}
}

type exchange struct {
	Name, Send string
	Get        []string
}

type vector[T any] struct {
	Name string
	Wire T
}

func read[T any](t *testing.T, name string) (vectors T) {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(text, &vectors)
	}
	if err != nil {
		t.Fatal(err)
	}
	return vectors
}

// roundTrip reads text strictly as the message that descriptor describes, notes the fields it has, and compares what protojson
// writes with what it read.
func roundTrip(t *testing.T, descriptor protoreflect.MessageDescriptor, name, text string, seen map[protoreflect.FullName]bool) {
	t.Helper()
	frame := object(t, text)
	for _, part := range []string{"message", "publish"} {
		if object, isObject := frame[part].(map[string]any); isObject {
			payloadsToBytes(t, object)
		}
	}
	inBytes, err := json.Marshal(frame)
	if err != nil {
		t.Fatal(err)
	}
	m := dynamicpb.NewMessage(descriptor)
	if err := protojson.Unmarshal(inBytes, m); err != nil {
		t.Errorf("%s: %s\n%v", name, text, err)
		return
	}
	note(m, seen)
	written, err := protojson.Marshal(overWire(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(withoutZeros(object(t, string(written))), withoutZeros(frame)) {
		t.Errorf("%s:\n got %s\nwant %s", name, written, inBytes)
	}
}

// object reads text with its numbers as they stand.
func object(t *testing.T, text string) (object map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

// payloadsToBytes is payloadToBytes for a message, or each of a batch.
func payloadsToBytes(t *testing.T, object map[string]any) {
	t.Helper()
	batch, isBatch := object["messages"].([]any)
	if !isBatch {
		payloadToBytes(t, object)
		return
	}
	for _, message := range batch {
		payloadToBytes(t, message.(map[string]any))
	}
}

// payloadToBytes makes of data and data_base64 what protobuf's JSON mapping has for bytes. Which bytes these are is the business of
// the tests of the vectors; here any do.
func payloadToBytes(t *testing.T, object map[string]any) {
	t.Helper()
	if encoded, isBase64 := object["data_base64"]; isBase64 {
		delete(object, "data_base64")
		object["data"] = encoded
		return
	}
	data, err := json.Marshal(object["data"])
	if err != nil {
		t.Fatal(err)
	}
	object["data"] = base64.StdEncoding.EncodeToString(data)
}

// overWire sends m through protobuf's binary encoding.
func overWire(t *testing.T, m *dynamicpb.Message) proto.Message {
	t.Helper()
	binary, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	back := dynamicpb.NewMessage(m.Descriptor())
	if err := proto.Unmarshal(binary, back); err != nil {
		t.Fatal(err)
	}
	return back
}

// note remembers the fields that m and the messages in it have.
func note(m protoreflect.Message, seen map[protoreflect.FullName]bool) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		seen[field.FullName()] = true
		if field.Message() != nil && !field.IsMap() && !field.IsList() {
			note(value.Message(), seen)
		}
		return true
	})
}

// withoutZeros removes what the two sides leave out or spell in different ways without meaning a difference: false, empty texts, and the
// digits that a time or a duration has behind the last one that counts ("2.140s" is protobuf's form of it as well; "60s" and "60.000s" are one).
func withoutZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any)
		for name, value := range v {
			if value = withoutZeros(value); value != false && value != "" {
				out[name] = value
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutZeros(v[i])
		}
		return out
	case string:
		return fraction.ReplaceAllString(v, "$1$3")
	default:
		return v
	}
}

// fraction finds the zeros at the end of a time's or a duration's fraction.
var fraction = regexp.MustCompile(`^([0-9T:-]*[0-9](\.[0-9]*[1-9])?)\.?0*([Zs])$`)
