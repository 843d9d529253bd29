package debug_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// open is vFile:open for reading; it returns the whole answer.
func (c *client) open(path string) string {
	c.t.Helper()
	return c.cmd("vFile:open:%x,0,0", path)
}

// contents reads a file through the debugger.
func (c *client) contents(path string) string {
	c.t.Helper()
	fd := c.open(path)
	if strings.HasPrefix(fd, "F-") {
		c.t.Fatalf("%s: %s", path, fd)
	}
	reply := c.cmd("vFile:pread:%s,1000,0", fd[1:])
	_, data, ok := strings.Cut(reply, ";")
	if !ok {
		c.t.Fatalf("%s: %s", path, reply)
	}
	c.want("F0", "vFile:close:%s", fd[1:])
	var out strings.Builder
	for i := 0; i < len(data); i++ {
		if data[i] == '}' {
			i++
			out.WriteByte(data[i] ^ 0x20)
			continue
		}
		out.WriteByte(data[i])
	}
	return out.String()
}

// TestFiles: the client sees the program's files, not torov's.
func TestFiles(t *testing.T) {
	needKVM(t)
	dir := shortTempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "note"), []byte("in the mount #$}*"), 0o644); err != nil {
		t.Fatal(err)
	}
	srv := startTorov(t, script{program: "basic", args: "an argument", flags: []string{"--mount", dir + ":/somewhere:ro"}})
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("F0", "vFile:setfs:0")
	if got := c.contents("/somewhere/note"); got != "in the mount #$}*" {
		t.Errorf("the file in the mount has %q", got)
	}
	id := pid(t, c)
	proc := fmt.Sprintf("/proc/%d", id)
	if got := c.contents(proc + "/cmdline"); !strings.HasSuffix(got, "/basic\x00an\x00argument\x00") {
		t.Errorf("cmdline is %q", got)
	}
	for _, path := range []string{proc + "/maps", fmt.Sprintf("%s/task/%d/maps", proc, id), "/proc/self/maps"} {
		if got := c.contents(path); !strings.Contains(got, "/basic") || strings.Contains(got, torovPath(t)) {
			t.Errorf("%s is\n%s", path, got)
		}
	}
	exe := c.cmd("vFile:readlink:%x", proc+"/exe")
	if !strings.HasSuffix(exe, "/basic") {
		t.Errorf("exe is %s", exe)
	}
	for path, want := range map[string]string{
		"/proc/1/maps":      "F-1,2",  // ENOENT: processes of the host
		"/somewhere":        "F-1,15", // EISDIR
		"/somewhere/nobody": "F-1,2",
		"just probing":      "F-1,2",
	} {
		if got := c.open(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := c.cmd("vFile:open:%x,601,1b6", "/somewhere/new"); !strings.HasPrefix(got, "F-1,") {
		t.Errorf("creating a file: %s", got)
	}
	c.wantPrefix("W52", "vCont;c")
	c.conn.Close()
	srv.wait(t)
}

// TestNamespaces: libraries of a namespace of dlmopen are listed, too.
func TestNamespaces(t *testing.T) {
	if out, err := command(t, programPath(t, "twice")).CombinedOutput(); err != nil {
		t.Skipf("dlmopen does not work here without torov either: %v, %s", err, out)
	}
	srv := start(t, "twice")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "QCatchSyscalls:1;e7") // exit_group
	c.wantPrefix("T05syscall_entry:e7;", "vCont;c")
	list := c.wantPrefix("l", "qXfer:libraries-svr4:read::0,4000")
	if n := strings.Count(list, "/libc.so.6\""); n != 2 {
		t.Errorf("%d times the C library, want 2:\n%s", n, list)
	}
	namespaces := map[string]bool{}
	for _, lmid := range regexp.MustCompile(`lmid="[^"]*"`).FindAllString(list, -1) {
		namespaces[lmid] = true
	}
	if len(namespaces) != 2 {
		t.Errorf("namespaces %v, want 2:\n%s", namespaces, list)
	}
	c.want("OK", "vKill;%x", pid(t, c))
	c.conn.Close()
	srv.wait(t)
}

// TestLinkerAsProgram: nothing says where its libraries are, which gdb must not
// take for a program without any.
func TestLinkerAsProgram(t *testing.T) {
	needKVM(t)
	f, err := elf.Open(programPath(t, "basic-dyn"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	linker, err := f.Section(".interp").Data()
	if err != nil {
		t.Fatal(err)
	}
	srv := startTorov(t, script{program: "basic-dyn", linker: string(bytes.TrimSuffix(linker, []byte{0}))})
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.wantPrefix("E", "qXfer:libraries-svr4:read::0,4000")
	c.wantPrefix("W52", "vCont;c")
	c.conn.Close()
	srv.wait(t)
}
