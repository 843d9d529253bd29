package debug_test

import (
	"fmt"
	"net/rpc/jsonrpc"
	"strings"
	"testing"
	"time"
)

// TestDelveServer drives a headless Delve: a halt while the program runs, a
// restart, which starts another torov, and what the program says.
func TestDelveServer(t *testing.T) {
	srv := startDelve(t, "exec", "--headless", "--api-version=2", "--backend=lldb", "--listen=127.0.0.1:0", programPath(t, "gopher"), "--", "spin")
	const greeting = "API server listening at: "
	srv.waitFor(t, greeting+"127.0.0.1:")
	for !strings.Contains(srv.stdout.String()[strings.Index(srv.stdout.String(), greeting):], "\n") {
		time.Sleep(time.Millisecond)
	}
	_, address, _ := strings.Cut(srv.stdout.String(), greeting)
	address, _, _ = strings.Cut(address, "\n")
	client, err := jsonrpc.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	type command struct{ State object }
	call := func(method string, in any, out any) {
		t.Helper()
		if err := client.Call("RPCServer."+method, in, out); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
	for turn := range 3 {
		var running, halted command
		done := client.Go("RPCServer.Command", object{"name": "continue"}, &running, nil).Done
		time.Sleep(time.Duration(50+20*turn) * time.Millisecond)
		call("Command", object{"name": "halt"}, &halted)
		if r := <-done; r.Error != nil || running.State.at("Running") != false || running.State.at("currentThread.id") == nil {
			t.Fatalf("halt %d: %v, %v", turn, r.Error, running.State)
		}
	}
	var none object
	call("Restart", object{"ResetArgs": true, "NewArgs": []string{"once"}}, &none)
	var end command
	call("Command", object{"name": "continue"}, &end)
	if end.State.at("exited") != true || end.State.at("exitStatus") != 3.0 {
		t.Errorf("the end is %v", end.State)
	}
	call("Detach", object{"Kill": true}, &none)
	if end := srv.wait(t); end != "exit status 0" {
		t.Errorf("dlv: %s\n%s", end, srv.stdout.String())
	}
	if out := srv.stdout.String(); !strings.Contains(out, fmt.Sprintln("Tom purrs2 [x y]")) || !strings.Contains(out, fmt.Sprintln("sum 10 f 12")) {
		t.Errorf("the program's output is missing in\n%s", out)
	}
}
