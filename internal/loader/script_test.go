package loader

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"torov/internal/linux"
)

// INTERP stands for the path of a program that prints its arguments.
var scriptCases = []string{
	"#!INTERP",
	"#!INTERP\n",
	"#! INTERP\n",
	"#!\t INTERP \t \n",
	"#!INTERP arg\n",
	"#!INTERP two words \t\n",
	"#!INTERP\targ",
	"#!INTERP ",
	"#!INTERP \x00hidden\n",
	"#!INTERP a\x00b\n",
	"#!INTERP\x00 arg\n",
	"#!INTERP -e\necho\n",
	"#!INTERP\r\n",
	"#!INTERP " + strings.Repeat("a", 400) + "\n",
	"#!INTERP " + strings.Repeat("b ", 400),
	"#!INTERP" + strings.Repeat(" ", 400),
	"#!" + strings.Repeat(" ", 400) + "INTERP\n",
	"#!" + strings.Repeat(" ", 253) + "\n",
	"#!/" + strings.Repeat("p", 400) + "\n",
	"#!/" + strings.Repeat("p", 252),
	"#!/" + strings.Repeat("p", 251) + "\n",
	"#!/" + strings.Repeat("p", 252) + "\n",
	"#!/" + strings.Repeat("p", 253) + "\n",
	"#!INTERP" + strings.Repeat(" ", 20) + strings.Repeat("c", 220) + "\n",
	"#!",
	"#!\n",
	"#! \n",
	"#! \t",
	"#!\x00",
	"#!\nINTERP",
	"#",
	"",
	" #!INTERP\n",
}

// Linux itself decides what each line means.
func TestParseScriptAgreesWithLinux(t *testing.T) {
	interp := printArgs(t)
	for _, c := range scriptCases {
		text := strings.ReplaceAll(c, "INTERP", interp)
		path := writeProgram(t, []byte(text))
		native, out := execNatively(t, path, "one", "two")
		s, err := ParseScript([]byte(text))
		var e *Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Errorf("%.60q: %v is no *Error", c, err)
		case err != nil && native.errno != e.Errno():
			t.Errorf("%.60q: Linux %v, ParseScript %v", c, native.errno, err)
		case err == nil && s.Interp != interp:
			// A path that does not exist: Linux got as far as looking for it.
			if native.errno != linux.ENOENT && native.errno != linux.ENAMETOOLONG {
				t.Errorf("%.60q: interpreter %q, Linux says %v", c, s.Interp, native.errno)
			}
		case err == nil:
			want := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
			if got := s.Argv(path, []string{path, "one", "two"}); !slices.Equal(got, want) {
				t.Errorf("%.60q: arguments\n%q, Linux has\n%q", c, got, want)
			}
		}
	}
}

// printArgs returns the path of a program that prints its arguments, each with
// its NUL.
func printArgs(t *testing.T) string {
	t.Helper()
	program := compile(t, `#include <stdio.h>
int main(int argc, char **argv) { while (argc--) printf("%s%c", *argv++, 0); }`, "-static")
	// A #! line holds no more than 253 bytes of path.
	dir, err := os.MkdirTemp("", "script")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "printargs")
	if err := os.Symlink(program, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func FuzzScript(f *testing.F) {
	for _, c := range scriptCases {
		f.Add([]byte(c))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		s, err := ParseScript(head)
		if err != nil {
			if s != (Script{}) {
				t.Fatalf("script %+v and error %v", s, err)
			}
			return
		}
		line := head[:min(len(head), ScriptHeader)]
		switch {
		case s.Interp == "" || strings.ContainsAny(s.Interp, " \t\n\x00"):
			t.Fatalf("interpreter %q", s.Interp)
		case strings.ContainsAny(s.Arg, "\n\x00") || !s.HasArg && s.Arg != "":
			t.Fatalf("argument %q", s.Arg)
		case !strings.Contains(string(line), s.Interp) || !strings.Contains(string(line), s.Arg):
			t.Fatalf("%+v is not in the line", s)
		}
	})
}
