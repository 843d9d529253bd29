package rsp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// programPackets describe the program: documents (qXfer) and small questions.
var programPackets = packetTable{
	"qXfer":          (*session).transfer,
	"qOffsets":       (*session).offsets,
	"qShlibInfoAddr": (*session).debugSlot,
	"qGetTLSAddr":    (*session).tlsAddress,
	"qAttached":      (*session).attached,
}

// document is the qXfer document that is being read, as it was when the client
// read its beginning: it may change while the client reads on.
type document struct {
	key  string
	data []byte
}

// documents maps the objects of qXfer that can be read to what makes them. The
// annex is what the client wants of the object.
var documents = map[string]func(s *session, annex string) ([]byte, error){
	"features":        (*session).featuresDocument,
	"threads":         (*session).threadsDocument,
	"auxv":            (*session).auxvDocument,
	"exec-file":       (*session).execFileDocument,
	"libraries-svr4":  (*session).librariesDocument,
	"siginfo":         (*session).sigInfoDocument,
	"osdata":          (*session).osDataDocument,
	"traceframe-info": (*session).traceFrameDocument,
}

// errNoDocument is the answer to an annex that does not exist.
var errNoDocument = errors.New("no such document")

// transfer: qXfer:object:read:annex:offset,length and
// qXfer:object:write:annex:offset:data.
func (s *session) transfer(a *args) ([]byte, error) {
	a.expect(':')
	object := string(a.until(':'))
	operation := string(a.until(':'))
	if operation == "write" {
		return s.transferWrite(a, object)
	}
	read := documents[object]
	if read == nil || operation != "read" {
		return nil, errEmpty
	}
	// The annex may itself hold colons; offset and length cannot.
	i := bytes.LastIndexByte(a.rest, ':')
	if i < 0 {
		return nil, errMalformed
	}
	annex := string(a.rest[:i])
	a.rest = a.rest[i+1:]
	offset := a.hex()
	a.expect(',')
	size := a.size(s.packetSize)
	if err := a.done(); err != nil {
		return nil, err
	}
	key := object + ":" + annex
	if object == "siginfo" {
		key += s.general.String()
	}
	if offset == 0 || s.xfer.key != key {
		data, err := read(s, annex)
		if err != nil {
			return nil, err
		}
		s.xfer = document{key, data}
	}
	return s.chunk(s.xfer.data, offset, size), nil
}

// chunk returns part of a document: m and data if there is more behind it, l
// and data if not.
func (s *session) chunk(data []byte, offset uint64, size int) []byte {
	if offset >= uint64(len(data)) {
		return []byte{'l'}
	}
	data = data[offset:]
	part := data[:min(size, len(data))]
	reply, n := appendEscaped([]byte{'m'}, part, s.packetSize)
	if n == len(data) {
		reply[0] = 'l'
	}
	return reply
}

// transferWrite writes an object; siginfo is the only one.
func (s *session) transferWrite(a *args, object string) ([]byte, error) {
	if object != "siginfo" || s.t.SigInfo == nil {
		return nil, errEmpty
	}
	a.until(':') // annex, empty
	offset := a.hex()
	a.expect(':')
	data := a.all()
	if err := a.err(); err != nil {
		return nil, err
	}
	t, err := s.thread()
	if err != nil {
		return nil, err
	}
	if offset > SigInfoSize || uint64(len(data)) > SigInfoSize-offset {
		return nil, errMalformed
	}
	info, err := s.t.SigInfo.ReadSigInfo(t)
	if err != nil {
		return nil, err
	}
	copy(info[offset:], data)
	if err := s.t.SigInfo.WriteSigInfo(t, info); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%x", len(data)), nil
}

func (s *session) featuresDocument(annex string) ([]byte, error) {
	if doc, ok := s.desc.document(annex); ok {
		return doc, nil
	}
	return nil, errNoDocument
}

func (s *session) auxvDocument(string) ([]byte, error) {
	if s.t.Auxv == nil {
		return nil, errEmpty
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	return s.t.Auxv.Auxv(pid)
}

// execFileDocument: the annex is the process in hexadecimal, empty for the
// selected one.
func (s *session) execFileDocument(annex string) ([]byte, error) {
	if s.t.ExecFile == nil {
		return nil, errEmpty
	}
	t := s.general
	if annex != "" {
		a := args{rest: []byte(annex)}
		t = ThreadID{PID: PID(a.id()), TID: AnyTID}
		if err := a.done(); err != nil {
			return nil, err
		}
	}
	t, err := s.resolve(t)
	if err != nil {
		return nil, err
	}
	path, err := s.t.ExecFile.ExecFile(t.PID)
	return []byte(path), err
}

func (s *session) sigInfoDocument(string) ([]byte, error) {
	if s.t.SigInfo == nil {
		return nil, errEmpty
	}
	t, err := s.thread()
	if err != nil {
		return nil, err
	}
	info, err := s.t.SigInfo.ReadSigInfo(t)
	return info[:], err
}

// offsets: qOffsets. All of a program moves by the same amount.
func (s *session) offsets(*args) ([]byte, error) {
	if s.t.Offsets == nil {
		return nil, errEmpty
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	text, err := s.t.Offsets.TextOffset(pid)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "Text=%x;Data=%x;Bss=%x", uint64(text), uint64(text), uint64(text)), nil
}

// debugSlot: qShlibInfoAddr.
func (s *session) debugSlot(*args) ([]byte, error) {
	if s.t.Libraries == nil {
		return nil, errEmpty
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	addr, err := s.t.Libraries.DebugSlot(pid)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%x", uint64(addr)), nil
}

// tlsAddress: qGetTLSAddr:thread,offset,link-map.
func (s *session) tlsAddress(a *args) ([]byte, error) {
	if s.t.TLS == nil {
		return nil, errEmpty
	}
	a.expect(':')
	t := a.threadID()
	a.expect(',')
	offset := a.hex()
	a.expect(',')
	linkMap := a.addr()
	if err := a.done(); err != nil {
		return nil, err
	}
	t, err := s.resolve(t)
	if err != nil {
		return nil, err
	}
	addr, err := s.t.TLS.TLSAddress(t, offset, linkMap)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%x", uint64(addr)), nil
}

// attached: qAttached[:pid] decides whether a client that quits detaches (1)
// or kills (0): it kills what it has started.
func (s *session) attached(*args) ([]byte, error) {
	if s.launched {
		return []byte("0"), nil
	}
	return []byte("1"), nil
}

// escapeXML makes a string fit for text and attributes of a document. What XML
// cannot hold is replaced.
func escapeXML(v string) string {
	var b strings.Builder
	for _, r := range v {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == '\'':
			b.WriteString("&apos;")
		case r == '\t' || r == '\n' || r >= ' ' && r != 0xfffe && r != 0xffff:
			b.WriteRune(r)
		default:
			b.WriteRune('\ufffd')
		}
	}
	return b.String()
}
