package redis

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

//go:embed library.lua
var librarySource string

// A library is our functions in Redis. The hash of the source is part of their names: nodes of two versions use two libraries
// beside each other.
type library struct {
	name   string
	source string
}

func newLibrary() library {
	sum := sha256.Sum256([]byte(librarySource))
	name := "todoke_" + hex.EncodeToString(sum[:4])
	return library{name: name, source: fmt.Sprintf("#!lua name=%s\nlocal NAME = '%s'\n%s", name, name, librarySource)}
}

// load puts the library into Redis; it is no fault if another node has done so.
func (l library) load(ctx context.Context, c commander) error {
	err := c.Do(ctx, c.B().FunctionLoad().FunctionCode(l.source).Build()).Error()
	if err != nil && strings.Contains(err.Error(), "already exists") {
		return nil
	}
	return err
}

// call makes the command that calls one of the functions.
func (l library) call(c commander, function, meta string, args ...string) rueidis.Completed {
	return c.B().Fcall().Function(l.name + "_" + function).Numkeys(1).Key(meta).Arg(args...).Build()
}

// ask is call for a function that writes nothing.
func (l library) ask(c commander, function, meta string, args ...string) rueidis.Completed {
	return c.B().FcallRo().Function(l.name + "_" + function).Numkeys(1).Key(meta).Arg(args...).Build()
}

// A commander is a client, or one connection of it.
type commander interface {
	B() rueidis.Builder
	Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult
	DoMulti(ctx context.Context, multi ...rueidis.Completed) []rueidis.RedisResult
}
