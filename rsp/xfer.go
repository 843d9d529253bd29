package rsp

import (
	"fmt"
	"strings"
)

// threadsDocument is the list of threads with names and processors.
func (s *session) threadsDocument(string) ([]byte, error) {
	var b strings.Builder
	b.WriteString(xmlHeader + "<threads>\n")
	for _, t := range s.threads() {
		fmt.Fprintf(&b, "<thread id=\"%s\"", s.formatThread(t.ID))
		if t.Core >= 0 {
			fmt.Fprintf(&b, " core=\"%d\"", t.Core)
		}
		attr(&b, "name", t.Name)
		if len(t.Handle) > 0 {
			fmt.Fprintf(&b, " handle=\"%x\"", t.Handle)
		}
		fmt.Fprintf(&b, ">%s</thread>\n", escapeXML(t.Extra))
	}
	b.WriteString("</threads>\n")
	return []byte(b.String()), nil
}

// librariesDocument lists shared libraries. The annex "start=ADDR;prev=ADDR"
// asks for those from a link_map on (GDB then keeps what it has before it).
func (s *session) librariesDocument(annex string) ([]byte, error) {
	if s.t.Libraries == nil {
		return nil, errEmpty
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	list, err := s.t.Libraries.Libraries(pid)
	if err != nil {
		return nil, err
	}
	start, err := startOf(annex)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString(`<library-list-svr4 version="1.0"`)
	// LLDB takes main-lm for the place of r_debug, which it asks for by
	// qShlibInfoAddr anyway.
	if list.Main != 0 && start == 0 && s.client.kind != clientLLDB {
		fmt.Fprintf(&b, ` main-lm="%#x"`, uint64(list.Main))
	}
	b.WriteString(">\n")
	listed := start == 0 || start == list.Main
	var before *Library
	for i, l := range list.Libraries {
		if listed = listed || l.LinkMap == start; !listed {
			continue
		}
		if start != 0 && before != nil && l.Namespace != before.Namespace {
			break // what follows start in its own namespace was asked for
		}
		before = &list.Libraries[i]
		fmt.Fprintf(&b, `<library name="%s" lm="%#x" l_addr="%#x" l_ld="%#x"`,
			escapeXML(l.Name), uint64(l.LinkMap), uint64(l.Base), uint64(l.Dynamic))
		if l.Namespace != 0 {
			fmt.Fprintf(&b, ` lmid="%#x"`, uint64(l.Namespace))
		}
		b.WriteString("/>\n")
	}
	b.WriteString("</library-list-svr4>\n")
	return []byte(b.String()), nil
}

// startOf finds start= in the annex of a library list, 0 if it is not there.
func startOf(annex string) (Addr, error) {
	for item := range strings.SplitSeq(annex, ";") {
		if v, ok := strings.CutPrefix(item, "start="); ok {
			a := args{rest: []byte(v)}
			addr := a.addr()
			return addr, a.done()
		}
	}
	return 0, nil
}

// osDataDocument is a table of "info os": the annex is its name, empty for the
// list of tables.
func (s *session) osDataDocument(annex string) ([]byte, error) {
	if s.t.OSData == nil {
		return nil, errEmpty
	}
	if annex == "" {
		table := Table{Name: "types", Columns: []string{"Type", "Description", "Title"}}
		for _, t := range s.t.OSData.Tables() {
			table.Rows = append(table.Rows, []string{t.Name, t.Description, t.Title})
		}
		return table.xml(), nil
	}
	table, err := s.t.OSData.Table(annex)
	if err != nil {
		return nil, err
	}
	return table.xml(), nil
}

func (t Table) xml() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, xmlHeader+`<!DOCTYPE osdata SYSTEM "osdata.dtd">`+"\n<osdata type=\"%s\">\n", escapeXML(t.Name))
	for _, row := range t.Rows {
		b.WriteString("<item>")
		for i, name := range t.Columns {
			if i < len(row) {
				fmt.Fprintf(&b, "<column name=\"%s\">%s</column>", escapeXML(name), escapeXML(row[i]))
			}
		}
		b.WriteString("</item>\n")
	}
	b.WriteString("</osdata>\n")
	return []byte(b.String())
}
