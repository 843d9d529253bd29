package agent

import (
	"fmt"
	"strconv"
	"strings"
)

// piece is a part of a printf format: text, or one conversion.
type piece struct {
	text   string
	verb   byte   // C conversion, 0 for text
	format string // for package fmt, without the verb
	bits   int    // width of the argument
}

// compilePrintf: the operands are the number of arguments, the length of the
// format in two bytes, and the format with a zero byte at its end. On the stack
// are, from the top, a function and a channel (unused here), then the
// arguments, the first on top.
func compilePrintf(d *decoder) (step, error) {
	nargs, err := d.operand(1)
	if err != nil {
		return nil, err
	}
	n, err := d.operand(2)
	if err != nil {
		return nil, err
	}
	format, err := d.bytes(int(n))
	if err != nil {
		return nil, err
	}
	if n == 0 || format[n-1] != 0 {
		return nil, fmt.Errorf("%w: format without an end", ErrCode)
	}
	// GDB sends the format as it was typed, with C's escape sequences.
	pieces, err := parseFormat(unescape(string(format[:n-1])))
	if err != nil {
		return nil, err
	}
	wanted := 0
	for _, p := range pieces {
		if p.verb != 0 {
			wanted++
		}
	}
	if wanted != int(nargs) {
		return nil, fmt.Errorf("%w: format wants %d arguments, not %d", ErrCode, wanted, nargs)
	}
	return func(s *state) error { return s.printf(pieces, int(nargs)) }, nil
}

// escapes are C's, and GDB's \e, except for octal numbers.
var escapes = map[byte]byte{
	'a': '\a', 'b': '\b', 'e': 0x1b, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"', '\'': '\'', '?': '?',
}

// unescape replaces escape sequences; what is none stays as it is.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		digits := 0
		for digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7' {
			digits++
		}
		if c, ok := escapes[s[i]]; ok {
			out.WriteByte(c)
		} else if v, err := strconv.ParseUint(s[i:i+digits], 8, 8); err == nil {
			out.WriteByte(byte(v))
			i += digits - 1
		} else {
			out.WriteString(s[i-1 : i+1])
		}
	}
	return out.String()
}

// parseFormat splits a C format.
func parseFormat(format string) ([]piece, error) {
	var pieces []piece
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		if i > 0 {
			pieces = append(pieces, piece{text: format[:i]})
			format = format[i:]
			continue
		}
		if strings.HasPrefix(format, "%%") {
			pieces = append(pieces, piece{text: "%"})
			format = format[2:]
			continue
		}
		p, rest, err := parseConversion(format[1:])
		if err != nil {
			return nil, err
		}
		pieces = append(pieces, p)
		format = rest
	}
	return pieces, nil
}

// maxWidth bounds field width and precision.
const maxWidth = 999

// parseConversion reads what follows a percent sign: flags, width, precision,
// length, letter.
func parseConversion(f string) (p piece, rest string, err error) {
	span := func(set string) string {
		n := 0
		for n < len(f) && strings.IndexByte(set, f[n]) >= 0 {
			n++
		}
		s := f[:n]
		f = f[n:]
		return s
	}
	const digits = "0123456789"
	p.format = "%" + span("-+ #0")
	width := span(digits)
	p.format += width
	precision := ""
	if strings.HasPrefix(f, ".") {
		f = f[1:]
		precision = span(digits)
		p.format += "." + precision
	}
	if len(width) > len("999") || len(precision) > len("999") {
		return p, "", fmt.Errorf("%w: width in format is over %d", ErrCode, maxWidth)
	}
	switch span("hlLjzt") {
	case "":
		p.bits = 32
	case "h":
		p.bits = 16
	case "hh":
		p.bits = 8
	default:
		p.bits = 64
	}
	if f == "" || strings.IndexByte("diuoxXcsp", f[0]) < 0 {
		return p, "", fmt.Errorf("%w: format %q cannot be printed here", ErrCode, f)
	}
	p.verb = f[0]
	return p, f[1:], nil
}

// printf pops the arguments and writes the text.
func (s *state) printf(pieces []piece, nargs int) error {
	if s.env.Output == nil {
		return ErrUndefined
	}
	v, err := s.top(nargs + 2)
	if err != nil {
		return err
	}
	arguments := v[:nargs]
	s.sp -= nargs + 2
	var out strings.Builder
	for _, p := range pieces {
		if p.verb == 0 {
			out.WriteString(p.text)
			continue
		}
		arg := arguments[len(arguments)-1]
		arguments = arguments[:len(arguments)-1]
		text, err := s.convert(p, arg)
		if err != nil {
			return err
		}
		if out.WriteString(text); out.Len() > maxPrinted {
			return ErrSteps
		}
	}
	if s.printed += out.Len(); s.printed > maxPrinted {
		return ErrSteps
	}
	_, err = s.env.Output.Write([]byte(out.String()))
	return err
}

// convert prints one argument.
func (s *state) convert(p piece, arg int64) (string, error) {
	unsigned := uint64(arg)
	if p.bits < 64 {
		unsigned &= 1<<p.bits - 1
	}
	switch p.verb {
	case 'd', 'i':
		signed := arg << (64 - p.bits) >> (64 - p.bits)
		return fmt.Sprintf(p.format+"d", signed), nil
	case 'u':
		return fmt.Sprintf(p.format+"d", unsigned), nil
	case 'o', 'x', 'X':
		return fmt.Sprintf(p.format+string(p.verb), unsigned), nil
	case 'p':
		return fmt.Sprintf("%#x", uint64(arg)), nil
	case 'c':
		return string([]byte{byte(arg)}), nil
	default: // s
		str, err := s.readString(uint64(arg), maxString)
		return fmt.Sprintf(p.format+"s", str), err
	}
}
