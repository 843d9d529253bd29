package rsp

import (
	"fmt"
	"strings"
)

// The description in XML (GDB manual, appendix G). The top file consists of
// includes only and each included file of one feature: the form that GDB, LLDB
// and Delve all read.

const xmlHeader = `<?xml version="1.0"?>` + "\n"

// document returns one of the description's files.
func (d *Description) document(name string) ([]byte, bool) {
	if name == "target.xml" {
		return d.top(), true
	}
	feature, ok := strings.CutSuffix(name, ".xml")
	if !ok {
		return nil, false
	}
	for i := range d.Features {
		if d.Features[i].Name == feature {
			return d.Features[i].xml(), true
		}
	}
	return nil, false
}

func (d *Description) top() []byte {
	var b strings.Builder
	b.WriteString(xmlHeader + `<!DOCTYPE target SYSTEM "gdb-target.dtd">` + "\n" + `<target version="1.0">` + "\n")
	if d.Architecture != "" {
		fmt.Fprintf(&b, "  <architecture>%s</architecture>\n", escapeXML(d.Architecture))
	}
	if d.OSABI != "" {
		fmt.Fprintf(&b, "  <osabi>%s</osabi>\n", escapeXML(d.OSABI))
	}
	for i := range d.Features {
		fmt.Fprintf(&b, "  <xi:include href=\"%s.xml\"/>\n", escapeXML(d.Features[i].Name))
	}
	b.WriteString("</target>\n")
	return []byte(b.String())
}

func (f *Feature) xml() []byte {
	var b strings.Builder
	b.WriteString(xmlHeader + `<!DOCTYPE feature SYSTEM "gdb-target.dtd">` + "\n")
	fmt.Fprintf(&b, "<feature name=\"%s\">\n", escapeXML(f.Name))
	for i := range f.Types {
		f.Types[i].xml(&b)
	}
	for i := range f.Registers {
		f.Registers[i].xml(&b)
	}
	b.WriteString("</feature>\n")
	return []byte(b.String())
}

// attr writes an attribute unless it is empty.
func attr(b *strings.Builder, name, value string) {
	if value != "" {
		fmt.Fprintf(b, " %s=\"%s\"", name, escapeXML(value))
	}
}

func (t *Type) xml(b *strings.Builder) {
	id := escapeXML(t.ID)
	switch t.Kind {
	case VectorType:
		fmt.Fprintf(b, "  <vector id=\"%s\" type=\"%s\" count=\"%d\"/>\n", id, escapeXML(t.Elem), t.Count)
		return
	case FlagsType:
		fmt.Fprintf(b, "  <flags id=\"%s\" size=\"%d\">\n", id, t.Size)
	case StructType:
		fmt.Fprintf(b, "  <struct id=\"%s\"", id)
		if t.Size > 0 {
			fmt.Fprintf(b, " size=\"%d\"", t.Size)
		}
		b.WriteString(">\n")
	case UnionType:
		fmt.Fprintf(b, "  <union id=\"%s\">\n", id)
	}
	bits := t.Kind == FlagsType || t.Kind == StructType && t.Size > 0
	for _, f := range t.Fields {
		fmt.Fprintf(b, "    <field name=\"%s\"", escapeXML(f.Name))
		if bits {
			fmt.Fprintf(b, " start=\"%d\" end=\"%d\"", f.Start, f.End)
		}
		attr(b, "type", f.Type)
		b.WriteString("/>\n")
	}
	fmt.Fprintf(b, "  </%s>\n", [...]string{"vector", "union", "struct", "flags"}[t.Kind])
}

func (r *Register) xml(b *strings.Builder) {
	fmt.Fprintf(b, "  <reg name=\"%s\" bitsize=\"%d\" regnum=\"%d\"", escapeXML(r.Name), r.Bits, r.Num)
	attr(b, "type", r.Type)
	attr(b, "group", r.Group)
	attr(b, "generic", r.Generic)
	attr(b, "altname", r.AltName)
	b.WriteString("/>\n")
}
