package config

import "strings"

// field is one row of a table: how a member of a JSON object is read into a T,
// and what the reference says about it. The texts are Markdown.
type field[T any] struct {
	name     string
	typ      string
	def      string // what holds when the field is not given
	doc      string
	required bool
	read     func(r *reader, v *value, into *T) error
}

// object reads a JSON object by a table.
func object[T any](r *reader, v *value, fields []field[T], into *T) error {
	if err := r.want(v, dict); err != nil {
		return err
	}
	given := map[string]bool{}
	for _, m := range v.items {
		f := find(fields, m.name)
		if f == nil {
			return unknown(r, m, fields)
		}
		given[m.name] = true
		if err := f.read(r, m, into); err != nil {
			return err
		}
	}
	for _, f := range fields {
		if f.required && !given[f.name] {
			missing := value{parent: v, name: f.name, pos: v.pos}
			return r.fail(&missing, "missing; it is required")
		}
	}
	return nil
}

func find[T any](fields []field[T], name string) *field[T] {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func unknown[T any](r *reader, m *value, fields []field[T]) error {
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	if near := Nearest(m.name, names); near != "" {
		return r.at(m.key, m.path(), "unknown field; did you mean %s?", near)
	}
	return r.at(m.key, m.path(), "unknown field; known are %s", strings.Join(names, ", "))
}

// into makes the reader of a field from a reader of its type and the place
// where the result belongs.
func into[T, V any](read func(*reader, *value) (V, error), place func(*T) *V) func(*reader, *value, *T) error {
	return func(r *reader, v *value, t *T) error {
		x, err := read(r, v)
		if err == nil {
			*place(t) = x
		}
		return err
	}
}

var configFields = []field[Config]{
	{name: "Binary", typ: "path", def: "required", required: true,
		doc:  "The program: an ELF file or a raw image.",
		read: func(r *reader, v *value, c *Config) (err error) { c.Binary, err = r.hostPath(v, program); return }},
	{name: "Format", typ: "`\"auto\"`, `\"elf\"` or `\"raw\"`", def: "`\"auto\"`",
		doc:  "How to load `Binary`. `auto` takes a file that begins with the ELF magic number as ELF, any other as a raw image.",
		read: into((*reader).format, func(c *Config) *Format { return &c.Format })},
	{name: "Startaddr", typ: "hexadecimal string", def: "`\"400200\"`",
		doc:  "Where a raw image is loaded and begins to run, below 0x800000. ELF files carry their own addresses.",
		read: into((*reader).address, func(c *Config) *uint64 { return &c.StartAddr })},
	{name: "Args", typ: "list of strings", def: "`[]`",
		doc:  "The program's arguments after its name. Raw images get none.",
		read: into((*reader).strings, func(c *Config) *[]string { return &c.Args })},
	{name: "Env", typ: "object, or list of `\"NAME=VALUE\"`", def: "`{}`",
		doc:  "The program's environment.",
		read: into((*reader).env, func(c *Config) *[]string { return &c.Env })},
	{name: "InheritEnv", typ: "boolean", def: "`false`",
		doc:  "Also give the program torov's own environment; `Env` replaces variables of the same name.",
		read: into((*reader).bool, func(c *Config) *bool { return &c.InheritEnv })},
	{name: "Cwd", typ: "guest path", def: "`/` with `MountPoint`, else torov's own",
		doc:  "The directory in which the program starts.",
		read: into((*reader).guestPath, func(c *Config) *string { return &c.Cwd })},
	{name: "MountPoint", typ: "path", def: "the host's root directory",
		doc:  "The directory that the guest sees as `/`.",
		read: func(r *reader, v *value, c *Config) (err error) { c.MountPoint, err = r.hostPath(v, directory); return }},
	{name: "Mounts", typ: "list of [mounts](#mounts)", def: "`[]`",
		doc: "More files and directories of the host that appear in the guest.",
		read: func(r *reader, v *value, c *Config) error {
			return r.each(v, func(item *value) error { return r.mount(item, c) })
		}},
	{name: "Memory", typ: "number of bytes, or string as `\"512M\"`", def: "`\"4G\"`",
		doc:  "The guest's memory, from 8M to 1T. K, M, G and T are powers of 1024. Memory that the program does not use costs nothing.",
		read: into((*reader).memory, func(c *Config) *uint64 { return &c.Memory })},
	{name: "Newpid", typ: "boolean", def: "`false`",
		doc:  "Give the program a PID namespace of its own, in which it is process 1.",
		read: into((*reader).bool, func(c *Config) *bool { return &c.Newpid })},
	{name: "Debug", typ: "[object](#debug)", def: "no debugging",
		doc:  "The GDB stub.",
		read: (*reader).debug},
	{name: "HypercallPort", typ: "number, or string as `\"0x10\"`", def: "`\"0x10\"`",
		doc: "The I/O port on which programs built for ToroV make their calls.",
		read: func(r *reader, v *value, c *Config) error {
			n, err := r.whole(v, 0, 0xffff, `an I/O port; use 0 to 65535, or a string as "0x10"`)
			c.HypercallPort = uint16(n)
			return err
		}},
	{name: "Hypercalls", typ: "list of [hypercalls](#hypercalls)", def: "`[]`",
		doc: "ToroV's permissions, one call at a time.",
		read: func(r *reader, v *value, c *Config) error {
			return r.each(v, func(item *value) error { return r.hypercall(item, c) })
		}},
	{name: "Permissions", typ: "[object](#permissions)", def: "nothing granted",
		doc: "Permissions by the name of a call or of a group of calls.",
		read: func(r *reader, v *value, c *Config) error {
			return object(r, v, permissionFields, &c.Permissions)
		}},
}

var mountFields = []field[Mount]{
	{name: "Source", typ: "path", def: "required", required: true,
		doc:  "The file or directory of the host.",
		read: func(r *reader, v *value, m *Mount) (err error) { m.Source, err = r.hostPath(v, anything); return }},
	{name: "Target", typ: "guest path", def: "required", required: true,
		doc:  "Where it appears in the guest. The whole root is `MountPoint`'s.",
		read: into((*reader).guestPath, func(m *Mount) *string { return &m.Target })},
	{name: "ReadOnly", typ: "boolean", def: "`false`",
		doc:  "The program cannot change anything below `Target`.",
		read: into((*reader).bool, func(m *Mount) *bool { return &m.ReadOnly })},
}

var debugFields = []field[Debug]{
	{name: "Allowed", typ: "boolean", def: "`false`",
		doc:  "Hold the program before its first instruction until a debugger connects.",
		read: into((*reader).bool, func(d *Debug) *bool { return &d.Allowed })},
	{name: "Port", typ: "number or string", def: "`1234`",
		doc: "TCP port, on the loopback interface only.",
		read: func(r *reader, v *value, d *Debug) error {
			n, err := r.port(v)
			d.Address = portAddress(n)
			return err
		}},
	{name: "Address", typ: "string", def: "`Port` on loopback",
		doc:  "In place of `Port`: `\":1234\"` (loopback only), `\"HOST:PORT\"` or `\"unix:PATH\"`. Who can connect controls the program.",
		read: into((*reader).listenAddress, func(d *Debug) *string { return &d.Address })},
}

var hypercallFields = []field[Hypercall]{
	{name: "Name", typ: "string", def: "required", required: true,
		doc:  "A call, as `\"Write\"`; case does not count. `torov syscalls` lists them.",
		read: (*reader).hypercallName},
	{name: "Allowed", typ: "boolean", def: "required", required: true,
		doc:  "Whether the program may make the call.",
		read: into((*reader).bool, func(h *Hypercall) *bool { return &h.Allowed })},
}

var permissionFields = []field[Permissions]{
	{name: "Allow", typ: "list of strings", def: "`[]`",
		doc:  "Calls and groups that the program may use.",
		read: into((*reader).permissions, func(p *Permissions) *[]string { return &p.Allow })},
	{name: "Deny", typ: "list of strings", def: "`[]`",
		doc:  "Calls and groups that it may not use, whatever else grants them.",
		read: into((*reader).permissions, func(p *Permissions) *[]string { return &p.Deny })},
	{name: "AllowAll", typ: "boolean", def: "`false`",
		doc:  "Grant everything that `Deny` does not name.",
		read: into((*reader).bool, func(p *Permissions) *bool { return &p.AllowAll })},
}

func (r *reader) format(v *value) (Format, error) {
	s, err := r.str(v)
	if err != nil {
		return "", err
	}
	switch f := Format(s); f {
	case FormatAuto, FormatELF, FormatRaw:
		return f, nil
	}
	return "", r.fail(v, "%q is not a format; use auto, elf or raw", clip(s))
}

func (r *reader) mount(v *value, c *Config) error {
	var m Mount
	if err := object(r, v, mountFields, &m); err != nil {
		return err
	}
	if m.Target == "/" {
		return r.fail(v.member("Target"), "/ is the guest's root directory; set MountPoint in place of this mount")
	}
	if i, ok := r.targets[m.Target]; ok {
		return r.fail(v.member("Target"), "%s is the target of Mounts[%d] too; remove one", clip(m.Target), i)
	}
	r.targets[m.Target] = len(c.Mounts)
	c.Mounts = append(c.Mounts, m)
	return nil
}

func (r *reader) debug(v *value, c *Config) error {
	if err := object(r, v, debugFields, &c.Debug); err != nil {
		return err
	}
	if address := v.member("Address"); address != nil && v.member("Port") != nil {
		return r.fail(address, "given together with Port; remove one")
	}
	return nil
}

func (r *reader) hypercall(v *value, c *Config) error {
	var h Hypercall
	if err := object(r, v, hypercallFields, &h); err != nil {
		return err
	}
	if i, ok := r.calls[h.Name]; ok {
		return r.fail(v.member("Name"), "%s is named by Hypercalls[%d] too; remove one", clip(h.Name), i)
	}
	r.calls[h.Name] = len(c.Hypercalls)
	c.Hypercalls = append(c.Hypercalls, h)
	return nil
}

func (r *reader) hypercallName(v *value, h *Hypercall) error {
	s, err := r.filled(v)
	if err != nil {
		return err
	}
	h.Name = strings.ToLower(s)
	return r.checkName(v, h.Name, r.names.Hypercall)
}

func (r *reader) permissions(v *value) ([]string, error) {
	var out []string
	err := r.each(v, func(item *value) error {
		s, err := r.filled(item)
		if err != nil {
			return err
		}
		out = append(out, s)
		return r.checkName(item, s, r.names.Permission)
	})
	return out, err
}

func (r *reader) checkName(v *value, name string, check func(string) error) error {
	if check == nil {
		return nil
	}
	if err := check(name); err != nil {
		e := r.fail(v, "%s", err)
		e.Err = err
		return e
	}
	return nil
}
