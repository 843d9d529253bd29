package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// testNames is a small stand-in for the table of calls.
var testNames = Names{
	Hypercall:  known("read", "write", "ioctl", "getrlimit", "socket"),
	Permission: known("read", "write", "file", "net", "thread", "unlink"),
}

func known(names ...string) func(string) error {
	return func(name string) error {
		if slices.Contains(names, name) {
			return nil
		}
		if near := Nearest(name, names); near != "" {
			return fmt.Errorf("no call is named %q; did you mean %s?", name, near)
		}
		return fmt.Errorf("no call is named %q", name)
	}
}

func defaults(binary string) Config {
	return Config{
		Binary: binary, Format: FormatAuto, StartAddr: 0x400200, Memory: 4 << 30,
		HypercallPort: 0x10, Debug: Debug{Address: ":1234"},
	}
}

func TestParse(t *testing.T) {
	type change func(*Config)
	tests := []struct {
		name, json string
		want       change
	}{
		{"least", `{"Binary": "p"}`, func(*Config) {}},
		{"absolute", `{"Binary": "/bin/../bin/p"}`, func(c *Config) { c.Binary = "/bin/p" }},
		{"up", `{"Binary": "../p"}`, func(c *Config) { c.Binary = "/p" }},
		{"torov", `{"Binary": "p", "Startaddr": "0x7FF000", "MountPoint": "./m/", "Newpid": "True",
			"Debug": {"Allowed": "False", "Port": "99"}, "Hypercalls": [
			{"Name": "Ioctl", "Allowed": "True"}, {"Name": "WRITE", "Allowed": "False"}]}`,
			func(c *Config) {
				c.StartAddr, c.MountPoint, c.Newpid, c.Debug.Address = 0x7ff000, "/conf/m", true, ":99"
				c.Hypercalls = []Hypercall{{"ioctl", true}, {"write", false}}
			}},
		{"lists", `{"Binary": "p", "Args": ["-x", "", "é"], "Env": ["B=1", "A=x=y", "C="]}`,
			func(c *Config) { c.Args, c.Env = []string{"-x", "", "é"}, []string{"B=1", "A=x=y", "C="} }},
		{"env map keeps order", `{"Binary": "p", "Env": {"Z": "1", "A": ""}, "InheritEnv": true}`,
			func(c *Config) { c.Env, c.InheritEnv = []string{"Z=1", "A="}, true }},
		{"memory in bytes", `{"Binary": "p", "Memory": 8388608}`, func(c *Config) { c.Memory = 8 << 20 }},
		{"memory with unit", `{"Binary": "p", "Memory": "512M"}`, func(c *Config) { c.Memory = 512 << 20 }},
		{"most memory", `{"Binary": "p", "Memory": "1T"}`, func(c *Config) { c.Memory = 1 << 40 }},
		{"mounts", `{"Binary": "p", "Mounts": [{"Source": "s", "Target": "/a//b/", "ReadOnly": "True"},
			{"Target": "/c", "Source": "/d"}]}`,
			func(c *Config) { c.Mounts = []Mount{{"/conf/s", "/a/b", true}, {"/d", "/c", false}} }},
		{"permissions", `{"Permissions": {"Allow": ["file", "net"], "Deny": ["unlink"], "AllowAll": true}, "Binary": "p"}`,
			func(c *Config) { c.Permissions = Permissions{[]string{"file", "net"}, []string{"unlink"}, true} }},
		{"debug port", `{"Binary": "p", "Debug": {"Port": 65535, "Allowed": true}}`,
			func(c *Config) { c.Debug = Debug{true, ":65535"} }},
		{"debug loopback", `{"Binary": "p", "Debug": {"Address": ":7"}}`, func(c *Config) { c.Debug.Address = ":7" }},
		{"debug IPv6", `{"Binary": "p", "Debug": {"Address": "[::1]:7"}}`, func(c *Config) { c.Debug.Address = "[::1]:7" }},
		{"debug unix", `{"Binary": "p", "Debug": {"Address": "unix:run/g"}}`,
			func(c *Config) { c.Debug.Address = "unix:/conf/run/g" }},
		{"port as string", `{"Binary": "p", "HypercallPort": "0xFFff"}`, func(c *Config) { c.HypercallPort = 0xffff }},
		{"port as number", `{"Binary": "p", "HypercallPort": 0}`, func(c *Config) { c.HypercallPort = 0 }},
		{"format, cwd", `{"Binary": "p", "Format": "raw", "Cwd": "/x/."}`,
			func(c *Config) { c.Format, c.Cwd = FormatRaw, "/x" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := defaults("/conf/p")
			test.want(&want)
			got, err := Parse("/conf/server.json", []byte(test.json), testNames)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
		})
	}
}

// faults are files with the error that each must give, without "server.json:".
var faults = []struct{ json, want string }{
	// The whole file.
	{"", `1:1: the file is empty; write at least {"Binary": "PROGRAM"}`},
	{"\n \n", `3:1: the file is empty; write at least {"Binary": "PROGRAM"}`},
	{"[]", `1:1: a list stands where an object belongs`},
	{"{}", `1:1: Binary: missing; it is required`},
	{"{\"Binary\": \"p\"", `1:15: the file ends too early; a quote, a bracket or a brace is not closed`},
	{"{\"Binary\": \"p\"}\n{}", `2:1: more text follows after the configuration's closing brace; remove it`},
	{"{\n  // here\n", `2:3: JSON has no comments; remove it`},
	{"{\"Binary\": \"p\" // here\n}", `1:16: JSON has no comments; remove it`},
	{"{\n  \"Binary\": \"p\",\n}", `3:1: a comma stands before this }; remove the comma`},
	{"{\"Args\": [\"a\",]}", `1:15: a comma stands before this ]; remove the comma`},
	{"{\"Args\": [\"a\" \"b\"]}", `1:15: a comma is missing before this`},
	{"{\"Newpid\": true\n\"Binary\": \"p\"}", `2:1: a comma is missing before this`},
	{"{'Binary': 1}", `1:2: JSON strings stand in double quotes: "`},
	{"{\"Binary\": \"p\n\"}", `1:14: a string does not end on its line; close its quote`},
	{"{\"Newpid\": True}", `1:12: not JSON: invalid character 'T' looking for beginning of value`},
	{"\ufeff{}", `1:1: the file begins with a byte order mark; save it as UTF-8 without one`},
	{"{\"Binary\": \"\xff\"}", `1:13: byte 0xff is not UTF-8 text; save the file as UTF-8`},
	// Names and structure.
	{"{\n  \"Binary\": \"p\",\n    \"Permisions\": {}}", `3:5: Permisions: unknown field; did you mean Permissions?`},
	{`{"binary": "p"}`, `1:2: binary: unknown field; did you mean Binary?`},
	{`{"Debug": {"Prot": 1}}`, `1:12: Debug.Prot: unknown field; did you mean Port?`},
	{`{"Debug": {"Whatever": 1}}`, `1:12: Debug.Whatever: unknown field; known are Allowed, Port, Address`},
	{`{"a\nb": 1}`, `1:2: "a\nb": unknown field; known are ` +
		`Binary, Format, Startaddr, Args, Env, InheritEnv, Cwd, MountPoint, Mounts, Memory, Newpid, Debug, HypercallPort, Hypercalls, Permissions`},
	{"{\"Binary\": \"p\",\n \"Binary\": \"p\"}", `2:2: Binary: given twice, first in line 1; remove one`},
	{`{"Debug": {"Port": 1, "Port": 1}}`, `1:23: Debug.Port: given twice, first in line 1; remove one`},
	{`{"Env": {"A": "1", "\u0041": "2"}}`, `1:20: Env.A: given twice, first in line 1; remove one`},
	{`{"Binary": null}`, `1:12: Binary: null stands where a string belongs`},
	{`{"Binary": 7}`, `1:12: Binary: a number stands where a string belongs; put it in double quotes`},
	{`{"Binary": ""}`, `1:12: Binary: is empty; give a value or remove the field`},
	{`{"Binary": "a\u0000b"}`, `1:12: Binary: a string must not contain a NUL character`},
	{`{"Args": "a b"}`, `1:10: Args: a string stands where a list belongs`},
	{`{"Args": ["a", ["b"]]}`, `1:16: Args[1]: a list stands where a string belongs`},
	{`{"Debug": true}`, `1:11: Debug: a boolean stands where an object belongs`},
	{`{"Hypercalls": {"write": true}}`, `1:16: Hypercalls: an object stands where a list belongs`},
	// Values.
	{"{\n\n\"Debug\": {\n       \"Port\": 70000}}", `4:16: Debug.Port: 70000 is not a port; use 1 to 65535`},
	{`{"Debug": {"Port": "0"}}`, `1:20: Debug.Port: "0" is not a port; use 1 to 65535`},
	{`{"Debug": {"Port": 1.5}}`, `1:20: Debug.Port: 1.5 is not a port; use 1 to 65535`},
	{`{"Debug": {"Port": -1}}`, `1:20: Debug.Port: -1 is not a port; use 1 to 65535`},
	{`{"Debug": {"Port": true}}`, `1:20: Debug.Port: a boolean stands where a number belongs: it must be a port; use 1 to 65535`},
	{`{"Debug": {"Port": 1, "Address": ":1"}}`, `1:34: Debug.Address: given together with Port; remove one`},
	{`{"Debug": {"Address": "1234"}}`, `1:23: Debug.Address: "1234" is not an address; use ":PORT", "HOST:PORT" or "unix:PATH"`},
	{`{"Debug": {"Address": "h:http"}}`, `1:23: Debug.Address: "http" is not a port; use 1 to 65535`},
	{`{"Debug": {"Address": ":0"}}`, `1:23: Debug.Address: "0" is not a port; use 1 to 65535`},
	{`{"Debug": {"Address": "unix:"}}`, `1:23: Debug.Address: a path must follow unix:`},
	{`{"Newpid": "Yes"}`, `1:12: Newpid: "Yes" is not a boolean; use true or false`},
	{`{"Newpid": 1}`, `1:12: Newpid: a number stands where a boolean belongs; use true or false`},
	{`{"Startaddr": 400200}`, `1:15: Startaddr: a number stands where a hexadecimal string belongs; write "400200" if you mean 0x400200`},
	{`{"Startaddr": "4002g0"}`, `1:15: Startaddr: "4002g0" is not a hexadecimal address; write it as in "400200"`},
	{`{"Startaddr": ""}`, `1:15: Startaddr: "" is not a hexadecimal address; write it as in "400200"`},
	{`{"Startaddr": "800000"}`, `1:15: Startaddr: 0x800000 lies outside a raw image's memory; use an address below 0x800000`},
	{`{"Startaddr": "10000000000000000"}`, `1:15: Startaddr: 0x10000000000000000 lies outside a raw image's memory; use an address below 0x800000`},
	{"{\n  \"Memory\":   \"64Q\"}", `2:15: Memory: "64Q" is not a size; write bytes, or a string as in "512M" (K, M, G or T)`},
	{`{"Memory": ""}`, `1:12: Memory: "" is not a size; write bytes, or a string as in "512M" (K, M, G or T)`},
	{`{"Memory": "1M"}`, `1:12: Memory: 1M is out of range; use 8M to 1T`},
	{`{"Memory": "18014398509481984K"}`, `1:12: Memory: 18014398509481984K is out of range; use 8M to 1T`},
	{`{"Memory": 99999999999999999999999}`, `1:12: Memory: 99999999999999999999999 is out of range; use 8M to 1T`},
	{`{"Memory": false}`, `1:12: Memory: a boolean stands where a size belongs; write bytes, or as in "512M"`},
	{`{"HypercallPort": "0x10000"}`, `1:19: HypercallPort: "0x10000" is not an I/O port; use 0 to 65535, or a string as "0x10"`},
	{`{"Format": "coff"}`, `1:12: Format: "coff" is not a format; use auto, elf or raw`},
	{`{"Cwd": "tmp"}`, `1:9: Cwd: "tmp" is not an absolute path; a path in the guest begins with /`},
	{`{"Env": "A=1"}`, `1:9: Env: a string stands where variables belong; use an object or a list of NAME=VALUE`},
	{`{"Env": ["A"]}`, `1:10: Env[0]: "A" sets no variable; write NAME=VALUE`},
	{`{"Env": ["=1"]}`, `1:10: Env[0]: "" is not a variable's name`},
	{`{"Env": ["A=1", "A=2"]}`, `1:17: Env[1]: A is set twice; remove one`},
	{`{"Env": {"A=B": "1"}}`, `1:17: Env."A=B": "A=B" is not a variable's name`},
	{`{"Env": {"A": 1}}`, `1:15: Env.A: a number stands where a string belongs; put it in double quotes`},
	{`{"Mounts": [{"Source": "s"}]}`, `1:13: Mounts[0].Target: missing; it is required`},
	{`{"Mounts": [{"Source": "s", "Target": "/"}]}`, `1:39: Mounts[0].Target: / is the guest's root directory; set MountPoint in place of this mount`},
	{`{"Mounts": [{"Source": "s", "Target": "/a"}, {"Source": "s", "Target": "/b/../a"}]}`, `1:72: Mounts[1].Target: /a is the target of Mounts[0] too; remove one`},
	{`{"Hypercalls": [{"Name": "Wriet", "Allowed": true}]}`, `1:26: Hypercalls[0].Name: no call is named "wriet"; did you mean write?`},
	{`{"Hypercalls": [{"Name": "write", "Allowed": true}, {"Name": "Write", "Allowed": false}]}`, `1:62: Hypercalls[1].Name: write is named by Hypercalls[0] too; remove one`},
	{`{"Hypercalls": [{"Name": "write"}]}`, `1:17: Hypercalls[0].Allowed: missing; it is required`},
	{`{"Permissions": {"Allow": ["file", "nett"]}}`, `1:36: Permissions.Allow[1]: no call is named "nett"; did you mean net?`},
	{`{"Permissions": {"Deny": [7]}}`, `1:27: Permissions.Deny[0]: a number stands where a string belongs; put it in double quotes`},
}

func TestFaults(t *testing.T) {
	for _, f := range faults {
		_, err := Parse("server.json", []byte(f.json), testNames)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s\ngot  %v\nwant an *Error: %s", f.json, err, f.want)
			continue
		}
		if got := err.Error(); got != "server.json:"+f.want {
			t.Errorf("%s\ngot  %s\nwant server.json:%s", f.json, got, f.want)
		}
	}
}

func TestTooLarge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "big.json")
	data := `{"Binary": "p"}` + strings.Repeat(" ", MaxSize)
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(file, Names{})
	if err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}

// TestLongNames checks that a hostile file cannot make a message of its size.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	for _, json := range []string{
		`{"` + long + `": 1}`,
		`{"Env": {"` + long + `": 1}}`,
		`{"Newpid": "` + long + `"}`,
		`{"Memory": "` + long + `"}`,
		`{"Startaddr": "` + strings.Repeat("f", 100_000) + `"}`,
		strings.Repeat(`{"a":`, 9000) + `{"b":1,"b":1}` + strings.Repeat(`}`, 9000),
		strings.Repeat(`[`, 20_000),
	} {
		_, err := Parse("server.json", []byte(json), testNames)
		if err == nil || len(err.Error()) > 500 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40s…: got %.600v", json, err)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("prog", "x")
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	tests := []struct{ name, json, want string }{
		{"good", `{"Binary": "prog", "MountPoint": "root", "Mounts": [{"Source": "prog", "Target": "/p"}]}`, ""},
		{"missing", `{"Binary": "nope"}`, "1:12: Binary: DIR/nope: no such file or directory; relative paths start from the configuration file's directory"},
		{"through a file", `{"Binary": "prog/x"}`, "1:12: Binary: DIR/prog/x: not a directory"},
		{"directory", `{"Binary": "root"}`, "1:12: Binary: DIR/root is a directory; name the program's file"},
		{"socket", `{"Binary": "sock"}`, "1:12: Binary: DIR/sock is not a regular file; name the program's file"},
		{"root is a file", `{"Binary": "prog", "MountPoint": "prog"}`, "1:34: MountPoint: DIR/prog is not a directory"},
		{"no source", `{"Binary": "prog", "Mounts": [{"Source": "nope", "Target": "/p"}]}`,
			"1:42: Mounts[0].Source: DIR/nope: no such file or directory; relative paths start from the configuration file's directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := write("c.json", test.json)
			c, err := Load(file, Names{})
			if test.want == "" {
				if err != nil || c.Binary != filepath.Join(dir, "prog") || c.MountPoint != filepath.Join(dir, "root") {
					t.Errorf("got %+v, %v", c, err)
				}
				return
			}
			want := file + ":" + strings.ReplaceAll(test.want, "DIR", dir)
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if strings.Contains(want, "no such file") && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v does not unwrap to fs.ErrNotExist", err)
			}
		})
	}
	for _, file := range []string{filepath.Join(dir, "none.json"), dir} {
		if _, err := Load(file, Names{}); err == nil || !strings.Contains(err.Error(), "read the configuration: ") || !strings.Contains(err.Error(), file) {
			t.Errorf("Load(%s): got %v", file, err)
		}
	}
}

// TestRelative checks that paths start from the file's directory, not from
// the working directory.
func TestRelative(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	c, err := Parse("sub/c.json", []byte(`{"Binary": "p"}`), Names{})
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(wd, "sub", "p"); c.Binary != want {
		t.Errorf("got %s, want %s", c.Binary, want)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"read", "write", "pread64", "socket", "Startaddr"}
	tests := map[string]string{
		"raed": "read", "Write": "write", "sockt": "socket", "StartAddress": "Startaddr",
		"pread": "read", "x": "", "": "", "completely": "", strings.Repeat("read", 50): "",
	}
	for name, want := range tests {
		if got := Nearest(name, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, fault := range faults {
		f.Add([]byte(fault.json))
	}
	f.Add([]byte(`{"Binary": "p", "Env": {"A": "1"}, "Mounts": [{"Source": "s", "Target": "/t"}], "Debug": {"Port": "1"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("/conf/f.json", data, testNames)
		if err == nil {
			checkInvariants(t, c)
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("not an *Error: %v", err)
		}
		lines := strings.Split(string(data), "\n")
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > len(lines[e.Line-1])+1 {
			t.Errorf("position %d:%d lies outside the file", e.Line, e.Column)
		}
		if strings.ContainsAny(e.Error(), "\n\x00") || len(e.Error()) > 1000 {
			t.Errorf("message %q", e)
		}
	})
}

// checkInvariants checks what every accepted configuration promises.
func checkInvariants(t *testing.T, c *Config) {
	t.Helper()
	if !filepath.IsAbs(c.Binary) || c.StartAddr >= RawMemory || c.Memory < MinMemory || c.Memory > MaxMemory {
		t.Errorf("out of range: %+v", c)
	}
	for _, e := range c.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			t.Errorf("variable %q", e)
		}
	}
	for _, m := range c.Mounts {
		if !filepath.IsAbs(m.Source) || !filepath.IsAbs(m.Target) || m.Target == "/" {
			t.Errorf("mount %+v", m)
		}
	}
	if a := c.Debug.Address; !strings.HasPrefix(a, "unix:/") {
		if _, _, err := net.SplitHostPort(a); err != nil {
			t.Errorf("debug address %q: %v", a, err)
		}
	}
}
