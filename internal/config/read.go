package config

import (
	"errors"
	"io/fs"
	"net"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// want refuses a value of another JSON type.
func (r *reader) want(v *value, k kind) error {
	if v.kind != k {
		return r.fail(v, "%s stands where %s belongs", v.kind, k)
	}
	return nil
}

// str reads a string. A NUL can be in no path, argument or variable of Linux.
func (r *reader) str(v *value) (string, error) {
	if v.kind == number || v.kind == boolean {
		return "", r.fail(v, "%s stands where a string belongs; put it in double quotes", v.kind)
	}
	if err := r.want(v, text); err != nil {
		return "", err
	}
	if strings.ContainsRune(v.text, 0) {
		return "", r.fail(v, "a string must not contain a NUL character")
	}
	return v.text, nil
}

// filled reads a string that is not empty.
func (r *reader) filled(v *value) (string, error) {
	s, err := r.str(v)
	if err == nil && s == "" {
		err = r.fail(v, "is empty; give a value or remove the field")
	}
	return s, err
}

// bool reads a JSON boolean or, as ToroV writes it, its name as a string.
func (r *reader) bool(v *value) (bool, error) {
	switch {
	case v.kind == boolean:
		return v.flag, nil
	case v.kind == text && (v.text == "True" || v.text == "true"):
		return true, nil
	case v.kind == text && (v.text == "False" || v.text == "false"):
		return false, nil
	case v.kind == text:
		return false, r.fail(v, "%q is not a boolean; use true or false", clip(v.text))
	}
	return false, r.fail(v, "%s stands where a boolean belongs; use true or false", v.kind)
}

// each calls f with every element of a list.
func (r *reader) each(v *value, f func(*value) error) error {
	if err := r.want(v, list); err != nil {
		return err
	}
	for _, item := range v.items {
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}

// strings reads a list of strings.
func (r *reader) strings(v *value) ([]string, error) {
	var out []string
	err := r.each(v, func(item *value) error {
		s, err := r.str(item)
		out = append(out, s)
		return err
	})
	return out, err
}

// hostPath reads a path of the host and, if files are checked, that there is
// one of the right kind.
func (r *reader) hostPath(v *value, k fileKind) (string, error) {
	s, err := r.filled(v)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(r.dir, s)
	}
	s = filepath.Clean(s)
	if r.stat == nil {
		return s, nil
	}
	info, err := r.stat(s)
	if err != nil {
		e := r.fail(v, "%s: %s", clip(s), reason(err))
		if errors.Is(err, fs.ErrNotExist) {
			e.Msg += "; relative paths start from the configuration file's directory"
		}
		e.Err = err
		return "", e
	}
	switch {
	case k == program && info.IsDir():
		return "", r.fail(v, "%s is a directory; name the program's file", clip(s))
	case k == program && !info.Mode().IsRegular():
		return "", r.fail(v, "%s is not a regular file; name the program's file", clip(s))
	case k == directory && !info.IsDir():
		return "", r.fail(v, "%s is not a directory", clip(s))
	}
	return s, nil
}

// fileKind is what a host path must lead to.
type fileKind int

const (
	program fileKind = iota
	directory
	anything
)

// guestPath reads an absolute path of the guest.
func (r *reader) guestPath(v *value) (string, error) {
	s, err := r.filled(v)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(s, "/") {
		return "", r.fail(v, "%q is not an absolute path; a path in the guest begins with /", clip(s))
	}
	return path.Clean(s), nil
}

// address reads a guest address in hexadecimal, as ToroV writes it. A raw
// image lies in RawMemory bytes that begin at address 0.
func (r *reader) address(v *value) (uint64, error) {
	if v.kind == number {
		return 0, r.fail(v, `a number stands where a hexadecimal string belongs; write "%s" if you mean 0x%s`, clip(v.text), clip(v.text))
	}
	s, err := r.str(v)
	if err != nil {
		return 0, err
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X")
	n, err := strconv.ParseUint(digits, 16, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n >= RawMemory:
		return 0, r.fail(v, "0x%s lies outside a raw image's memory; use an address below 0x%x", clip(digits), RawMemory)
	case err != nil:
		return 0, r.fail(v, "%q is not a hexadecimal address; write it as in %q", clip(s), strconv.FormatUint(DefaultStartAddr, 16))
	}
	return n, nil
}

// whole reads a whole number between least and most, given as a number or as
// a string, decimal or, after 0x, hexadecimal. what names such a number and
// says how to write one.
func (r *reader) whole(v *value, least, most uint64, what string) (uint64, error) {
	if v.kind != number && v.kind != text {
		return 0, r.fail(v, "%s stands where a number belongs: it must be %s", v.kind, what)
	}
	digits, base := v.text, 10
	if hex, ok := strings.CutPrefix(digits, "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil || n < least || n > most {
		shown := clip(v.text)
		if v.kind == text {
			shown = strconv.Quote(shown)
		}
		return 0, r.fail(v, "%s is not %s", shown, what)
	}
	return n, nil
}

// port reads a TCP port.
func (r *reader) port(v *value) (uint64, error) {
	return r.whole(v, 1, 65535, "a port; use 1 to 65535")
}

func portAddress(port uint64) string { return ":" + strconv.FormatUint(port, 10) }

// listenAddress reads an address for the GDB stub.
func (r *reader) listenAddress(v *value) (string, error) {
	s, err := r.filled(v)
	if err != nil {
		return "", err
	}
	if p, ok := strings.CutPrefix(s, "unix:"); ok {
		if p == "" {
			return "", r.fail(v, "a path must follow unix:")
		}
		if !filepath.IsAbs(p) {
			p = filepath.Join(r.dir, p)
		}
		return "unix:" + filepath.Clean(p), nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " \t\n/") {
		return "", r.fail(v, `%q is not an address; use ":PORT", "HOST:PORT" or "unix:PATH"`, clip(s))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", r.fail(v, "%q is not a port; use 1 to 65535", clip(port))
	}
	return net.JoinHostPort(host, port), nil
}

// units are the suffixes of a size in bytes.
var units = map[byte]uint{'K': 10, 'M': 20, 'G': 30, 'T': 40}

// memory reads a size in bytes.
func (r *reader) memory(v *value) (uint64, error) {
	if v.kind != number && v.kind != text {
		return 0, r.fail(v, `%s stands where a size belongs; write bytes, or as in "512M"`, v.kind)
	}
	digits, shift := v.text, uint(0)
	if n := len(digits); v.kind == text && n > 0 && units[digits[n-1]] > 0 {
		digits, shift = digits[:n-1], units[digits[n-1]]
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, r.fail(v, `%q is not a size; write bytes, or a string as in "512M" (K, M, G or T)`, clip(v.text))
	}
	if err != nil || n > MaxMemory>>shift || n<<shift < MinMemory {
		return 0, r.fail(v, "%s is out of range; use 8M to 1T", clip(v.text))
	}
	return n << shift, nil
}

// env reads variables from an object or from a list of NAME=VALUE.
func (r *reader) env(v *value) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(v *value, name, val string) error {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			return r.fail(v, "%q is not a variable's name", clip(name))
		case seen[name]:
			return r.fail(v, "%s is set twice; remove one", clip(name))
		}
		seen[name] = true
		out = append(out, name+"="+val)
		return nil
	}
	switch v.kind {
	case dict:
		for _, m := range v.items {
			s, err := r.str(m)
			if err != nil {
				return nil, err
			}
			if err := add(m, m.name, s); err != nil {
				return nil, err
			}
		}
		return out, nil
	case list:
		err := r.each(v, func(item *value) error {
			s, err := r.str(item)
			if err != nil {
				return err
			}
			name, val, ok := strings.Cut(s, "=")
			if !ok {
				return r.fail(item, "%q sets no variable; write NAME=VALUE", clip(s))
			}
			return add(item, name, val)
		})
		return out, err
	}
	return nil, r.fail(v, "%s stands where variables belong; use an object or a list of NAME=VALUE", v.kind)
}
