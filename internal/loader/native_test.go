package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"torov/internal/linux"
)

// tinyELF is a hand-made program: one segment, exit status 42.
type tinyELF struct {
	hdr   elf.Header64
	phdrs []elf.Prog64
	tail  []byte // after headers and code
}

const (
	tinyBase  = 0x400000
	tinyPhoff = headerSize
)

// exit42 is mov $42,%edi; mov $60,%eax; syscall.
var exit42 = []byte{0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05}

func newTinyELF() *tinyELF {
	e := &tinyELF{
		hdr: elf.Header64{
			Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
			Phoff: tinyPhoff, Ehsize: headerSize, Phentsize: phdrSize,
		},
		phdrs: []elf.Prog64{{
			Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: tinyBase, Paddr: tinyBase, Align: 4096,
		}},
	}
	copy(e.hdr.Ident[:], elf.ELFMAG)
	e.hdr.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	e.hdr.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	e.hdr.Ident[elf.EI_VERSION] = 1
	return e
}

// codeOffset is where the code starts in the file, at whatever page.
func (e *tinyELF) codeOffset() uint64 { return uint64(headerSize + len(e.phdrs)*phdrSize) }

// finish sets what depends on the number of headers: a mutation changes it
// afterwards.
func (e *tinyELF) finish() *tinyELF {
	e.hdr.Phnum = uint16(len(e.phdrs))
	e.hdr.Entry = e.phdrs[0].Vaddr + e.codeOffset()
	size := e.codeOffset() + uint64(len(exit42)+len(e.tail))
	e.phdrs[0].Filesz, e.phdrs[0].Memsz = size, size
	return e
}

func (e *tinyELF) bytes() []byte {
	var b bytes.Buffer
	for _, part := range []any{e.hdr, e.phdrs, exit42, e.tail} {
		copyInto(&b, part)
	}
	return b.Bytes()
}

// An outcome is what the native kernel makes of a program.
type outcome struct {
	errno  linux.Errno    // execve failed with it
	signal syscall.Signal // or the program died of it
	status int            // or exited
}

// execNatively runs a program on the host's kernel.
func execNatively(t *testing.T, path string, args ...string) (outcome, string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout = &out
	err := cmd.Run()
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return outcome{errno: linux.Errno(errno)}, ""
	case cmd.ProcessState == nil:
		t.Fatal(err)
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return outcome{signal: ws.Signal()}, out.String()
	}
	return outcome{status: ws.ExitStatus()}, out.String()
}

func writeProgram(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// compile builds a program from C with gcc.
func compile(t *testing.T, source string, flags ...string) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skipf("no C compiler to make programs with: %v", err)
	}
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command(gcc, append([]string{"-O1", "-o", path, "-x", "c", "-"}, flags...)...)
	cmd.Stdin = bytes.NewReader([]byte(source))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc %v: %v\n%s", flags, err, out)
	}
	return path
}

func parseFile(t *testing.T, path string) (*Image, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return Parse(f, st.Size())
}

func copyInto(w io.Writer, v any) {
	if err := binary.Write(w, binary.LittleEndian, v); err != nil {
		panic(err)
	}
}
