package loader

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"torov/internal/linux"
)

// mapsProgram prints its entry in the auxiliary vector and its own mappings.
const mapsProgram = `
#include <stdio.h>
#include <sys/auxv.h>
_Thread_local int tls = 3;
char bss[30000];
int data[5000] = {1};
const int rodata[5000] = {2};
int main(void) {
	printf("%lx %lx %lx\n", getauxval(AT_ENTRY), getauxval(AT_PHDR), getauxval(AT_PHNUM));
	FILE *f = fopen("/proc/self/maps", "r");
	for (int c; (c = getc(f)) != EOF;) putchar(c);
	return tls - 3 + bss[29999];
}`

var gccVariants = []struct {
	name        string
	flags       []string
	pie, static bool
	execStack   bool
}{
	{"dynamic PIE", []string{"-pie", "-fPIE"}, true, false, false},
	{"dynamic", []string{"-no-pie"}, false, false, false},
	{"static", []string{"-static"}, false, true, false},
	{"static PIE", []string{"-static-pie", "-fPIE"}, true, true, false},
	{"code in the first segment", []string{"-static", "-Wl,-z,noseparate-code"}, false, true, false},
	{"executable stack", []string{"-static", "-Wl,-z,execstack"}, false, true, true},
	{"2 MiB pages", []string{"-static-pie", "-fPIE", "-Wl,-z,max-page-size=0x200000"}, true, true, false},
}

// The plan for a program must be what Linux makes of the same file.
func TestMappingsAgreeWithLinux(t *testing.T) {
	for _, v := range gccVariants {
		t.Run(v.name, func(t *testing.T) {
			// Without RELRO, which would change protections before main.
			path := compile(t, mapsProgram, append([]string{"-Wl,-z,norelro"}, v.flags...)...)
			im, err := parseFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			if im.PIE() != v.pie || im.Static() != v.static || im.ExecStack != v.execStack || !im.HasTLS {
				t.Errorf("PIE %v, static %v, executable stack %v, TLS %v", im.PIE(), im.Static(), im.ExecStack, im.HasTLS)
			}
			native, out := execNatively(t, path)
			if native != (outcome{}) {
				t.Fatalf("native run: %+v", native)
			}
			var entry, phdr GVA
			var phnum int
			if _, err := fmt.Sscanf(out, "%x %x %x", &entry, &phdr, &phnum); err != nil {
				t.Fatal(err)
			}
			bias := entry - im.Entry
			if bias != 0 && !v.pie || phdr != im.PhdrAddr+bias || phnum != im.Phnum {
				t.Errorf("Linux: entry %#x, phdr %#x, phnum %d; image %+v", entry, phdr, phnum, im)
			}
			got, want := planLines(im.Mappings(bias)), nativeLines(t, out, path, im.Hi+bias)
			if !slices.Equal(got, want) {
				t.Errorf("plan:\n%s\nLinux:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// planLines flattens mappings into pages' properties, one line a page, so that
// merging and splitting do not matter.
func planLines(maps []Mapping) (lines []string) {
	for _, m := range maps {
		for a := m.Start; a < m.End; a += 4096 {
			lines = append(lines, pageLine(a, m.Prot.String(), m.File, m.Offset+uint64(a-m.Start)))
		}
	}
	return lines
}

func pageLine(a GVA, prot string, file bool, offset uint64) string {
	if !file {
		return fmt.Sprintf("%x %s zeros", a, prot)
	}
	return fmt.Sprintf("%x %s file %x", a, prot, offset)
}

// nativeLines reads the mappings of the program out of /proc/self/maps: those
// of its file, and the anonymous ones right behind, up to the image's end.
func nativeLines(t *testing.T, maps, path string, end GVA) (lines []string) {
	sc := bufio.NewScanner(strings.NewReader(maps))
	started := false
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 5 || !strings.Contains(f[0], "-") {
			continue
		}
		var lo, hi GVA
		var offset uint64
		if _, err := fmt.Sscanf(f[0]+" "+f[2], "%x-%x %x", &lo, &hi, &offset); err != nil {
			t.Fatal(err)
		}
		file := len(f) > 5 && f[5] == path
		started = started || file
		if !started {
			continue
		}
		for a := lo; a < min(hi, end); a += 4096 {
			lines = append(lines, pageLine(a, f[1][:3], file, offset+uint64(a-lo)))
		}
	}
	return lines
}

// The checked image must agree with the standard library's reader.
func TestParseAgreesWithDebugELF(t *testing.T) {
	for _, v := range gccVariants {
		t.Run(v.name, func(t *testing.T) {
			path := compile(t, "int main(void) { return 0; }", v.flags...)
			im, err := parseFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			ref, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer ref.Close()
			var want []Segment
			for _, p := range ref.Progs {
				switch p.Type {
				case elf.PT_LOAD:
					s := Segment{Addr: GVA(p.Vaddr), MemSize: p.Memsz, FileSize: p.Filesz, Offset: p.Off}
					for flag, prot := range map[elf.ProgFlag]Prot{elf.PF_R: Read, elf.PF_W: Write, elf.PF_X: Exec} {
						if p.Flags&flag != 0 {
							s.Prot |= prot
						}
					}
					want = append(want, s)
				case elf.PT_INTERP:
					b := make([]byte, p.Filesz)
					if _, err := p.ReadAt(b, 0); err != nil {
						t.Fatal(err)
					}
					if im.Interp+"\x00" != string(b) {
						t.Errorf("interpreter %q, want %q", im.Interp, b)
					}
				case elf.PT_PHDR:
					if !im.HasPhdr || im.PhdrAddr != GVA(p.Vaddr) {
						t.Errorf("program headers at %#x, want %#x", im.PhdrAddr, p.Vaddr)
					}
				}
			}
			if !slices.Equal(im.Segments, want) || im.Entry != GVA(ref.Entry) || im.Type != ref.Type {
				t.Errorf("image %+v, want segments %+v", im, want)
			}
		})
	}
}

func TestParseNotPrograms(t *testing.T) {
	for _, c := range []struct {
		name, text string
		flags      []string
	}{
		{"object", "link it", []string{"-c"}},
		{"library", "a shared library", []string{"-shared", "-fPIC", "-nostdlib", "-Wl,-e,0"}},
	} {
		path := compile(t, "int f(void) { return 0; }", c.flags...)
		_, err := parseFile(t, path)
		if !errors.Is(err, linux.ENOEXEC) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The dynamic linker of a program is an image like any other.
func TestParseInterpreterOfSystem(t *testing.T) {
	im, err := parseFile(t, compile(t, "int main(void) { return 0; }"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(im.Interp)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	ld, err := ParseInterpreter(f, st.Size())
	if err != nil || !ld.PIE() || !ld.Static() {
		t.Errorf("%s: %+v, %v", im.Interp, ld, err)
	}
}
