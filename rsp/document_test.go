package rsp_test

import (
	"debug/elf"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

func TestDocumentsInAnyChunks(t *testing.T) {
	s := startGDB(t, toy.Counter())
	for _, object := range []string{"features:target.xml", "features:org.gnu.gdb.i386.core.xml", "auxv:", "threads:", "exec-file:", "osdata:"} {
		name, annex, _ := strings.Cut(object, ":")
		whole := s.xfer(name, annex, 0x10000)
		for _, size := range []int{1, 7, 100, len(whole)} {
			if got := s.xfer(name, annex, size); got != whole {
				t.Errorf("%s in pieces of %d differs", object, size)
			}
		}
		s.want(fmt.Sprintf("qXfer:%s:read:%s:%x,10", name, annex, len(whole)), "l")
		s.want(fmt.Sprintf("qXfer:%s:read:%s:ffffffffffffffff,10", name, annex), "l")
	}
}

func TestDocumentsAreSnapshots(t *testing.T) {
	image := toy.Threads()
	s := startGDB(t, image)
	begin := s.begins("qXfer:threads:read::0,40", "m")
	s.want("Z0,"+at(image, "wait")+",1", "OK")
	s.begins("vCont;c", "T05swbreak") // two more threads
	rest := s.begins("qXfer:threads:read::40,1000", "l")
	if doc := begin[1:] + rest[1:]; strings.Count(doc, "<thread ") != 1 || !strings.HasSuffix(doc, "</threads>\n") {
		t.Errorf("the document is not of one moment: %s", doc)
	}
	if doc := s.xfer("threads", "", 0x1000); strings.Count(doc, "<thread ") != 3 {
		t.Errorf("a new document should have three threads: %s", doc)
	}
}

// features reads target.xml as Delve does: registers of the top file, then of
// its includes, numbered on where there is no number.
func features(s *session, annex string) (regs []struct {
	Name    string `xml:"name,attr"`
	Bitsize int    `xml:"bitsize,attr"`
	Regnum  int    `xml:"regnum,attr"`
}) {
	var doc struct {
		Includes []struct {
			Href string `xml:"href,attr"`
		} `xml:"xi include"`
		Registers []struct {
			Name    string `xml:"name,attr"`
			Bitsize int    `xml:"bitsize,attr"`
			Regnum  int    `xml:"regnum,attr"`
		} `xml:"reg"`
	}
	if err := xml.Unmarshal([]byte(s.xfer("features", annex, 0xfff)), &doc); err != nil {
		s.t.Fatalf("%s: %v", annex, err)
	}
	regs = doc.Registers
	for _, i := range doc.Includes {
		regs = append(regs, features(s, i.Href)...)
	}
	return regs
}

func TestTargetXMLMatchesG(t *testing.T) {
	s := startGDB(t, toy.Counter())
	bits := 0
	names := map[string]bool{}
	for i, r := range features(s, "target.xml") {
		bits += r.Bitsize
		names[r.Name] = true
		if r.Regnum != i {
			t.Errorf("%s has number %d at position %d", r.Name, r.Regnum, i)
		}
	}
	if g := s.cmd("g"); len(g)*4 != bits {
		t.Errorf("target.xml describes %d bits, g has %d", bits, len(g)*4)
	}
	for _, name := range []string{"rip", "rsp", "rbp", "rcx", "fs_base", "orig_rax", "st7", "fop", "xmm15", "mxcsr", "ymm15h"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if top := s.xfer("features", "target.xml", 0x1000); strings.Contains(top, "<reg ") || strings.Contains(top, "xmlns") {
		t.Errorf("the top file must hold includes only: %s", top)
	}
	if doc := s.xfer("features", "org.gnu.gdb.i386.segments.xml", 0x1000); !strings.Contains(doc, `name="fs_base" bitsize="64" regnum="58" type="int" generic="tp"`) {
		t.Errorf("LLDB finds no thread pointer in %s", doc)
	}
}

// libraries is a list of three libraries.
type libraries struct{}

func (libraries) Libraries(rsp.PID) (rsp.LibraryList, error) {
	return rsp.LibraryList{Main: 0x100, Libraries: []rsp.Library{
		{Name: "/lib/a<b>.so", LinkMap: 0x200, Base: 0x7f0000, Dynamic: 0x7f1000},
		{Name: "/lib/b.so", LinkMap: 0x300, Base: 0x7e0000, Dynamic: 0x7e1000},
		{Name: "/lib/c.so", LinkMap: 0x400, Namespace: 0x999},
	}}, nil
}

func (libraries) DebugSlot(rsp.PID) (rsp.Addr, error) { return 0x4018, nil }

func TestLibraries(t *testing.T) {
	s := start(t, toy.Counter(), func(t *rsp.Target) { t.Libraries = libraries{} })
	s.hello()
	whole := s.xfer("libraries-svr4", "", 0x1000)
	want := `<library-list-svr4 version="1.0" main-lm="0x100">
<library name="/lib/a&lt;b&gt;.so" lm="0x200" l_addr="0x7f0000" l_ld="0x7f1000"/>
<library name="/lib/b.so" lm="0x300" l_addr="0x7e0000" l_ld="0x7e1000"/>
<library name="/lib/c.so" lm="0x400" l_addr="0x0" l_ld="0x0" lmid="0x999"/>
</library-list-svr4>
`
	if whole != want {
		t.Errorf("got %s", whole)
	}
	for annex, names := range map[string]string{"start=300;prev=200": "b", "start=400;prev=0": "c", "start=100;prev=0": "a b", "start=fff;prev=400": ""} {
		doc := s.xfer("libraries-svr4", annex, 0x1000)
		for _, n := range []string{"a", "b", "c"} {
			has := strings.Contains(doc, "/lib/"+n)
			if has != strings.Contains(names, n) {
				t.Errorf("%s: %s", annex, doc)
			}
		}
	}
	s.want("qShlibInfoAddr", "4018")
}

func TestLLDBGetsNoMainLinkMap(t *testing.T) {
	s := start(t, toy.Counter(), func(t *rsp.Target) { t.Libraries = libraries{} })
	s.cmd("qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+")
	if doc := s.xfer("libraries-svr4", "", 0x1000); strings.Contains(doc, "main-lm") {
		t.Errorf("got %s", doc)
	}
}

func TestOSData(t *testing.T) {
	s := startGDB(t, toy.Counter())
	types := s.xfer("osdata", "", 0x1000)
	if !strings.Contains(types, `<osdata type="types">`) || !strings.Contains(types, `<column name="Type">threads</column>`) {
		t.Errorf("got %s", types)
	}
	if table := s.xfer("osdata", "threads", 0x1000); !strings.Contains(table, `<item><column name="tid">5000001</column><column name="name">toy</column></item>`) {
		t.Errorf("got %s", table)
	}
}

// unsupported refuses everything.
type unsupported struct{}

func (unsupported) Auxv(rsp.PID) ([]byte, error) { return nil, rsp.ErrUnsupported }
func (unsupported) TLSAddress(t rsp.ThreadID, offset uint64, _ rsp.Addr) (rsp.Addr, error) {
	if offset == 1 {
		return 7, nil
	}
	return 0, rsp.ErrUnsupported
}

func TestEmptyReplyNeverFollowsAnother(t *testing.T) {
	s := start(t, toy.Counter(), func(t *rsp.Target) { t.Auxv, t.TLS = unsupported{}, unsupported{} })
	if !strings.Contains(s.hello(), "qXfer:auxv:read+") {
		t.Fatal("auxv was not announced")
	}
	s.fails("qXfer:auxv:read::0,10")
	s.want("qGetTLSAddr:"+tid(0)+",0,0", "")
	s.want("qGetTLSAddr:"+tid(0)+",1,0", "7")
	s.fails("qGetTLSAddr:" + tid(0) + ",0,0")
}

func TestTLSAddress(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("qGetTLSAddr:"+tid(0)+",10,0", "403810")
	s.want("qGetTLSAddr:"+tid(0)+",10,7000", "E.thread-local storage of that module is not allocated yet")
}

// fileReader reads a remote file by vFile:pread.
type fileReader struct {
	s  *session
	fd string
}

func (f fileReader) ReadAt(p []byte, off int64) (int, error) {
	reply := f.s.begins(fmt.Sprintf("vFile:pread:%s,%x,%x", f.fd, len(p), off), "F")
	count, data, _ := strings.Cut(reply[1:], ";")
	n := copy(p, unescape(data))
	if int(parseHex(f.s.t, count)) != n {
		f.s.t.Fatalf("%s bytes announced, %d sent", count, n)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func TestFiles(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("vFile:setfs:0", "F0")
	s.want("vFile:open:"+hexOf("/toy")+",0,0", "F0")
	s.want("vFile:open:"+hexOf("/toy")+",0,0", "F1")
	file, err := elf.NewFile(fileReader{s, "1"})
	if err != nil {
		t.Fatal(err)
	}
	if syms, err := file.Symbols(); err != nil || len(syms) < 5 {
		t.Errorf("symbols: %v, %v", syms, err)
	}
	size := len((toy.Counter()).ELF())
	stat := unescape(s.begins("vFile:fstat:1", "F40;"))[4:]
	if len(stat) != 64 || stat[8:12] != "\x00\x00\x81\x6d" || stat[28:36] != string([]byte{0, 0, 0, 0, 0, 0, byte(size >> 8), byte(size)}) {
		t.Errorf("stat is %x, the size %x", stat, size)
	}
	if got := unescape(s.begins("vFile:stat:"+hexOf("/toy"), "F40;"))[4:]; got != stat {
		t.Errorf("stat differs from fstat: %x", got)
	}
	s.want(fmt.Sprintf("vFile:pread:1,10,%x", size), "F0;")
	s.want("vFile:close:1", "F0")
	s.want("vFile:close:1", "F-1,9") // EBADF
	s.want("vFile:pread:1,1,0", "F-1,9")
	s.want("vFile:open:"+hexOf("/nope")+",0,0", "F-1,2")
	s.want("vFile:open:"+hexOf("/toy")+",2,0", "F-1,1e") // EROFS
	s.want("vFile:unlink:"+hexOf("/toy"), "F-1,1e")
	s.want("vFile:pwrite:0,0,data", "F-1,9")
	s.want("vFile:readlink:"+hexOf("/proc/5000001/exe"), "F4;/toy")
	s.want("vFile:readlink:"+hexOf("/toy"), "F-1,16")
	s.want("vFile:exists:"+hexOf("/toy"), "F,1")
	s.want("vFile:exists:"+hexOf("/nope"), "F,0")
	s.want("vFile:size:"+hexOf("/toy"), fmt.Sprintf("F%x", size))
	s.want("vFile:mode:"+hexOf("/toy"), "F16d")
	for _, p := range []string{"open", "open:", "open:zz,0,0", "open:2f", "open:2f,0", "pread:0", "pread:0,1", "pread:x,1,1", "pread:0,1,8000000000000000", "close:", "fstat:zz", "setfs:x", "readlink:", "unlink:1"} {
		s.begins("vFile:"+p, "F-1,")
	}
}

func TestOpenFilesAreLimited(t *testing.T) {
	s := startGDB(t, toy.Counter())
	open := "vFile:open:" + hexOf("/toy") + ",0,0"
	for i := range 256 {
		s.want(open, fmt.Sprintf("F%x", i))
	}
	s.want(open, "F-1,18") // EMFILE
	s.want("vFile:close:7", "F0")
	s.want(open, "F7")
}
