package syscalls

import (
	"os"
	"slices"
	"testing"

	"torov/internal/linux"
)

func TestTable(t *testing.T) {
	kinds := []Kind{Int, Uint, Hex, Ptr, FD, DirFD, Path, Str, Buf, Size, Mode, Sig}
	rows := Table()
	if len(rows) < 200 {
		t.Fatalf("%d rows", len(rows))
	}
	last := int64(-1)
	for _, c := range rows {
		name, known := linux.SyscallName(c.Nr)
		if c.Name == "console_write" {
			name, known = c.Name, c.Nr == 499 // ToroV's own number
		}
		switch {
		case int64(c.Nr) <= last:
			t.Errorf("%s: number %d after %d", c.Name, c.Nr, last)
		case !known || name != c.Name:
			t.Errorf("number %d is %q, Linux says %q", c.Nr, c.Name, name)
		case Lookup(c.Nr) != c || byName(c.Name) != c:
			t.Errorf("%s is not found", c.Name)
		case c.Do == nil:
			t.Errorf("%s has no handler", c.Name)
		case groupText[c.Group] == "":
			t.Errorf("%s is in the group %q", c.Name, c.Group)
		case !slices.Contains([]State{Full, Partial, Stub}, c.State):
			t.Errorf("%s is %q", c.Name, c.State)
		case c.State == Partial && c.Note == "":
			t.Errorf("%s does not say what is missing", c.Name)
		case len(c.Args) > len(Args{}):
			t.Errorf("%s has %d arguments", c.Name, len(c.Args))
		}
		for i, a := range c.Args {
			if a.Name == "" || !slices.Contains(kinds, a.Kind) {
				t.Errorf("%s: argument %d is %+v", c.Name, i, a)
			}
			if a.Kind == Buf && (i+1 == len(c.Args) || c.Args[i+1].Kind != Size) {
				t.Errorf("%s: no length follows %s", c.Name, a.Name)
			}
		}
		last = int64(c.Nr)
	}
	for _, nr := range []uint64{lastNumber + 1, 1000, 1 << 32, ^uint64(0)} {
		if Lookup(nr) != nil {
			t.Errorf("there is a call %d", nr)
		}
	}
}

func TestMissing(t *testing.T) {
	missing := Missing()
	for _, name := range missing {
		if nr, ok := linux.SyscallNumber(name); !ok || Lookup(nr) != nil {
			t.Errorf("%s is not missing", name)
		}
	}
	for _, name := range []string{"read", "getppid", "futex"} {
		if slices.Contains(missing, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"read", "file", "base", "console_write", "kexec_load"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "files", "READ", "opne"} {
		if CheckName(name) == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

func TestDocumentIsFresh(t *testing.T) {
	doc, err := os.ReadFile("../../docs/syscalls.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(doc) != Markdown() {
		t.Error("docs/syscalls.md is out of date: torov syscalls --markdown > docs/syscalls.md")
	}
}
