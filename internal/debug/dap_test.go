package debug_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// launchConfiguration is what docs/debugging.md tells users to write into
// launch.json, with VS Code's variables replaced as VS Code does.
func launchConfiguration(t *testing.T, program, link string, args ...string) object {
	t.Helper()
	text, err := os.ReadFile("../../docs/debugging.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("docs/debugging.md has no launch.json")
	}
	json1 := string(block[1])
	for variable, value := range map[string]string{
		"${workspaceFolder}/hello": program, "${userHome}/torov": link, "${env:PATH}": os.Getenv("PATH"),
	} {
		if !strings.Contains(json1, variable) {
			t.Fatalf("no %s in the launch.json of docs/debugging.md", variable)
		}
		json1 = strings.ReplaceAll(json1, variable, value)
	}
	var file struct{ Configurations []object }
	if err := json.Unmarshal([]byte(json1), &file); err != nil || len(file.Configurations) != 1 {
		t.Fatalf("the launch.json of docs/debugging.md: %v", err)
	}
	file.Configurations[0]["args"] = args
	return file.Configurations[0]
}

// startDAP is what VS Code does until breakpoints can be set. Delve's own PATH
// does not lead to torov: the configuration does.
func startDAP(t *testing.T, args ...string) (*server, *dap) {
	t.Helper()
	link := shortTempDir(t)
	srv := startDelve(t, "dap", "--listen=127.0.0.1:0")
	if err := os.Rename(filepath.Join(srv.dir, "lldb-server"), filepath.Join(link, "lldb-server")); err != nil {
		t.Fatal(err)
	}
	const greeting = "DAP server listening at: "
	srv.waitFor(t, greeting)
	for !strings.HasSuffix(srv.stdout.String(), "\n") {
		time.Sleep(time.Millisecond)
	}
	_, address, _ := strings.Cut(srv.stdout.String(), greeting)
	d := dialDAP(t, strings.TrimSpace(address))
	d.request("initialize", object{"adapterID": "go", "pathFormat": "path", "linesStartAt1": true, "columnsStartAt1": true})
	d.request("launch", launchConfiguration(t, programPath(t, "gopher"), link, args...))
	d.event("initialized")
	return srv, d
}

// TestDAP debugs a Go program as VS Code does, with Delve between.
func TestDAP(t *testing.T) {
	srv, d := startDAP(t)
	source, err := filepath.Abs("testdata/programs/gopher/main.go")
	if err != nil {
		t.Fatal(err)
	}
	set := d.request("setBreakpoints", object{
		"source": object{"path": source}, "breakpoints": []object{{"line": 30, "condition": "i == 3"}},
	})
	if set.at("breakpoints.0.verified") != true {
		t.Errorf("breakpoint: %v", set)
	}
	d.request("setFunctionBreakpoints", object{"breakpoints": []object{{"name": "main.look"}}})
	d.request("configurationDone", nil)

	frame, thread := d.stopped("function breakpoint", "main.look", 36)
	d.evaluate(frame, "words[1]", `"y"`)
	d.evaluate(frame, "len(ages)", "2")
	for _, line := range []int{37, 38} {
		d.request("next", object{"threadId": thread})
		frame, _ = d.stopped("step", "main.look", line)
	}
	scopes := d.request("scopes", object{"frameId": frame})
	locals := d.request("variables", object{"variablesReference": scopes.at("scopes.0.variablesReference")})
	if names, err := json.Marshal(locals); err != nil || !strings.Contains(string(names), `"name":"words"`) {
		t.Errorf("local variables: %s, %v", names, err)
	}
	d.request("stepOut", object{"threadId": thread})
	d.stopped("step", "main.main", 55)

	d.request("continue", object{"threadId": thread})
	frame, thread = d.stopped("breakpoint", "main.count", 30)
	d.evaluate(frame, "i", "3")
	d.evaluate(frame, "main.counter", "3")
	d.evaluate(frame, "call main.f(3)", "9")
	frame = d.request("stackTrace", object{"threadId": thread}).at("stackFrames.0.id")
	d.request("setVariable", object{"variablesReference": localScope(d, frame), "name": "i", "value": "4"})
	d.evaluate(frame, "i", "4")
	d.request("setBreakpoints", object{"source": object{"path": source}, "breakpoints": []object{}})
	d.request("continue", object{"threadId": thread})
	d.event("terminated")
	d.request("disconnect", nil)
	if end := srv.wait(t); end != "exit status 0" || !strings.Contains(srv.stdout.String(), "Tom purrs2 [x y]\nsum 7 f 9\n") {
		t.Errorf("dlv: %s\n%s", end, srv.stdout.String())
	}
}

func localScope(d *dap, frame any) any {
	d.t.Helper()
	return d.request("scopes", object{"frameId": frame}).at("scopes.0.variablesReference")
}

// TestDAPPause stops a busy program and ends it.
func TestDAPPause(t *testing.T) {
	srv, d := startDAP(t, "spin")
	d.request("configurationDone", nil)
	for range 3 {
		time.Sleep(50 * time.Millisecond)
		d.request("pause", object{"threadId": 1})
		thread := d.event("stopped").at("threadId")
		if threads := d.request("threads", nil); threads.at("threads.0.id") == nil {
			t.Fatalf("no threads: %v", threads)
		}
		d.request("continue", object{"threadId": thread})
	}
	d.request("disconnect", object{"terminateDebuggee": true})
	if end := srv.wait(t); end != "exit status 0" {
		t.Errorf("dlv: %s\n%s", end, srv.stdout.String())
	}
}
