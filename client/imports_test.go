package client_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A program that talks to todoke does not link a server.
func TestClientDoesNotReachTheServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{
		"github.com/todoke-dev/todoke": true, "github.com/todoke-dev/todoke/client": true,
		"github.com/todoke-dev/todoke/transport/frame": true, "github.com/todoke-dev/todoke/internal/jsonscan": true,
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !allowed[path] && !strings.HasPrefix(path, "github.com/coder/websocket") {
			t.Errorf("package client reaches %s", path)
		}
	}
}
