package todoke_test

import (
	"context"
	"fmt"

	"github.com/todoke-dev/todoke"
)

// Publish once, and a subscription gets it.
func Example() {
	ctx := context.Background()
	hub, err := todoke.New(todoke.Options{})
	if err != nil {
		panic(err)
	}
	defer hub.Close()

	sub, err := hub.Subscribe(ctx, []string{"news"}, todoke.Now())
	if err != nil {
		panic(err)
	}
	defer sub.Close()

	hub.Publish(ctx, todoke.Message{Channel: "news", Data: []byte("hello")})

	batch, err := sub.Next(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(batch.Messages[0].Text())
	// Output: hello
}

// A reader that was away resumes with the last position it saw.
func ExampleAfter() {
	ctx := context.Background()
	hub, _ := todoke.New(todoke.Options{})
	defer hub.Close()

	first, _ := hub.Publish(ctx, todoke.Message{Channel: "chat:42", Data: []byte("one")})
	hub.Publish(ctx, todoke.Message{Channel: "chat:7", Data: []byte("elsewhere")})
	hub.Publish(ctx, todoke.Message{Channel: "chat:42", Data: []byte("two")})

	seen := first.Position.String() // what a client keeps, such as "k3f9-1"
	since, err := todoke.ParseSince(seen)
	if err != nil {
		panic(err)
	}
	sub, _ := hub.Subscribe(ctx, []string{"chat:42"}, since)
	defer sub.Close()
	batch, _ := sub.Next(ctx)
	for _, m := range batch.Messages {
		fmt.Println(m.Text())
	}
	// Output: two
}

// What is no longer retained is told, not passed over.
func ExampleGap() {
	ctx := context.Background()
	hub, _ := todoke.New(todoke.Options{Namespace: todoke.Namespace{Retention: todoke.Retention{Messages: 2}}})
	defer hub.Close()

	first, _ := hub.Publish(ctx, todoke.Message{Channel: "ticker", Data: []byte("1")})
	for _, data := range []string{"2", "3", "4"} {
		hub.Publish(ctx, todoke.Message{Channel: "ticker", Data: []byte(data)})
	}

	sub, _ := hub.Subscribe(ctx, []string{"ticker"}, todoke.After(first.Position))
	defer sub.Close()
	for range 2 {
		batch, _ := sub.Next(ctx)
		for _, gap := range batch.Gaps {
			fmt.Println("lost", gap.From.Offset, "to", gap.To.Offset)
		}
		for _, m := range batch.Messages {
			fmt.Println(m.Text())
		}
	}
	// Output:
	// lost 2 to 2
	// 3
	// 4
}

// A score board is a namespace that merges: whoever comes late gets the state, and then what changes.
func ExampleSnapshot() {
	ctx := context.Background()
	hub, _ := todoke.New(todoke.Options{Namespaces: map[string]todoke.Namespace{
		"score": {Conflation: todoke.ConflateMerge},
	}})
	defer hub.Close()

	for _, patch := range []string{`{"home":0,"away":0}`, `{"home":1}`, `{"minute":23}`} {
		hub.Publish(ctx, todoke.Message{Channel: "score:final", Type: "application/json", Data: []byte(patch)})
	}
	sub, _ := hub.Subscribe(ctx, []string{"score:final"}, todoke.Snapshot())
	defer sub.Close()
	batch, _ := sub.Next(ctx)
	fmt.Println(batch.Messages[0].Text())
	// Output: {"away":0,"home":1,"minute":23}
}

// The Gate is for what comes from outside: it asks first.
func ExampleHub_Gate() {
	hub, _ := todoke.New(todoke.Options{
		Authorizer: todoke.AuthorizerFunc(func(_ context.Context, a todoke.Access) error {
			if a.Action == todoke.ActionSubscribe && todoke.PatternCovers("news:*", a.Channel) {
				return nil
			}
			return todoke.CodeForbidden
		}),
	})
	defer hub.Close()

	_, err := hub.Gate().Publish(context.Background(), todoke.Message{Channel: "news:sport"})
	fmt.Println(err)
	// Output: forbidden
}
