package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the JSON type of a value.
type kind int

const (
	null kind = iota
	boolean
	number
	text
	list
	dict
)

var kindNames = [...]string{"null", "a boolean", "a number", "a string", "a list", "an object"}

func (k kind) String() string { return kindNames[k] }

// value is a JSON value that knows where it stands.
type value struct {
	parent *value
	name   string // in the parent: "Port" or "[2]"
	key    int    // offset of the name in the file
	pos    int    // offset of the value in the file
	kind   kind
	flag   bool     // of a boolean
	text   string   // of a string or a number
	items  []*value // of a list or an object, in the file's order
}

// path names the value as in "Mounts[0].Target".
func (v *value) path() string {
	var parts []string
	for ; v.parent != nil; v = v.parent {
		part := v.name
		if v.parent.kind == dict {
			if !isPlain(part) {
				part = strconv.Quote(part)
			}
			if v.parent.parent != nil {
				part = "." + part
			}
		}
		parts = append(parts, part)
	}
	slices.Reverse(parts)
	return clip(strings.Join(parts, ""))
}

// member finds a member of an object; nil if there is none.
func (v *value) member(name string) *value {
	for _, m := range v.items {
		if m.name == name {
			return m
		}
	}
	return nil
}

// isPlain reports whether a name can be shown without quotes.
func isPlain(name string) bool {
	for _, c := range name {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '-' {
			return false
		}
	}
	return name != ""
}

// clip shortens s, so that a message stays readable whatever the file holds.
func clip(s string) string {
	const most, end = 100, 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-end]+"…"+s[len(s)-end:], "")
}

// reader holds what is needed while one file is read.
type reader struct {
	file  string
	dir   string // absolute directory of file
	data  []byte
	names Names
	stat  func(string) (fs.FileInfo, error) // nil: check no file

	calls   map[string]int // index in Hypercalls, by name
	targets map[string]int // index in Mounts, by target
}

// at makes an error that stands at an offset.
func (r *reader) at(pos int, field, format string, args ...any) *Error {
	before := r.data[:pos]
	line := 1 + bytes.Count(before, []byte("\n"))
	return &Error{
		File:   r.file,
		Line:   line,
		Column: pos - bytes.LastIndexByte(before, '\n'),
		Field:  field,
		Msg:    fmt.Sprintf(format, args...),
	}
}

// fail makes an error about a value.
func (r *reader) fail(v *value, format string, args ...any) *Error {
	return r.at(v.pos, v.path(), format, args...)
}

// tree parses the file. encoding/json judges the syntax; only positions,
// which it does not keep, and repeated names, which it accepts, are added.
func (r *reader) tree() (*value, error) {
	if err := r.checkText(); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(r.data))
	dec.UseNumber()
	b := builder{reader: r, dec: dec}
	return b.value(&value{})
}

// checkText refuses what is not one JSON value in UTF-8.
func (r *reader) checkText() error {
	for i := 0; i < len(r.data); {
		c, n := utf8.DecodeRune(r.data[i:])
		if c == utf8.RuneError && n == 1 {
			return r.at(i, "", "byte 0x%02x is not UTF-8 text; save the file as UTF-8", r.data[i])
		}
		i += n
	}
	if bytes.HasPrefix(r.data, []byte("\ufeff")) {
		return r.at(0, "", "the file begins with a byte order mark; save it as UTF-8 without one")
	}
	var raw json.RawMessage
	err := json.Unmarshal(r.data, &raw)
	var se *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &se):
		return r.at(0, "", "not JSON: %s", err)
	case strings.HasPrefix(se.Error(), "unexpected end"):
		if len(bytes.TrimSpace(r.data)) == 0 {
			return r.at(len(r.data), "", `the file is empty; write at least {"Binary": "PROGRAM"}`)
		}
		return r.at(len(r.data), "", "the file ends too early; a quote, a bracket or a brace is not closed")
	}
	pos := min(max(int(se.Offset)-1, 0), len(r.data))
	return r.at(pos, "", "%s", syntaxHint(r.data[pos:], se.Error()))
}

// syntaxHint says how to repair the usual faults and else repeats the message
// of encoding/json.
func syntaxHint(rest []byte, msg string) string {
	c := byte(0)
	if len(rest) > 0 {
		c = rest[0]
	}
	switch {
	case c == '/' || c == '#':
		return "JSON has no comments; remove it"
	case strings.Contains(msg, "after top-level value"):
		return "more text follows after the configuration's closing brace; remove it"
	case c == '\'':
		return `JSON strings stand in double quotes: "`
	case (c == '}' || c == ']') && strings.Contains(msg, "looking for beginning of"):
		return fmt.Sprintf("a comma stands before this %c; remove the comma", c)
	case c == '"' && (strings.Contains(msg, "after array element") || strings.Contains(msg, "after object key:value pair")):
		return "a comma is missing before this"
	case c == '\n' && strings.Contains(msg, "in string literal"):
		return "a string does not end on its line; close its quote"
	}
	return "not JSON: " + msg
}

// builder makes the tree. The text is known to be valid JSON.
type builder struct {
	*reader
	dec *json.Decoder
}

// next returns the next token and the offset at which it begins.
func (b *builder) next() (json.Token, int, error) {
	pos := int(b.dec.InputOffset())
	for pos < len(b.data) && strings.IndexByte(" \t\r\n,:", b.data[pos]) >= 0 {
		pos++
	}
	tok, err := b.dec.Token()
	if err != nil {
		return nil, pos, b.at(pos, "", "not JSON: %s", err)
	}
	return tok, pos, nil
}

// value completes v, whose place in the tree is set, with the next value.
func (b *builder) value(v *value) (*value, error) {
	tok, pos, err := b.next()
	if err != nil {
		return nil, err
	}
	v.pos = pos
	switch t := tok.(type) {
	case nil:
		v.kind = null
	case bool:
		v.kind, v.flag = boolean, t
	case json.Number:
		v.kind, v.text = number, t.String()
	case string:
		v.kind, v.text = text, t
	case json.Delim:
		if t == '[' {
			v.kind = list
			return v, b.list(v)
		}
		v.kind = dict
		return v, b.dict(v)
	}
	return v, nil
}

func (b *builder) list(v *value) error {
	for b.dec.More() {
		item, err := b.value(&value{parent: v, name: "[" + strconv.Itoa(len(v.items)) + "]"})
		if err != nil {
			return err
		}
		item.key = item.pos
		v.items = append(v.items, item)
	}
	_, _, err := b.next() // the bracket
	return err
}

func (b *builder) dict(v *value) error {
	seen := map[string]*value{}
	for b.dec.More() {
		tok, pos, err := b.next()
		if err != nil {
			return err
		}
		m := &value{parent: v, name: tok.(string), key: pos}
		if first, ok := seen[m.name]; ok {
			line := b.at(first.key, "", "").Line
			return b.at(pos, m.path(), "given twice, first in line %d; remove one", line)
		}
		seen[m.name] = m
		if _, err := b.value(m); err != nil {
			return err
		}
		v.items = append(v.items, m)
	}
	_, _, err := b.next() // the brace
	return err
}
