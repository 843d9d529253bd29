package syscalls

import (
	"fmt"
	"sort"
	"strings"

	"torov/internal/linux"
)

// Missing returns the names of Linux's calls that have no row.
func Missing() []string {
	var names []string
	for nr := range uint64(len(table)) {
		if name, ok := linux.SyscallName(nr); ok && table[nr] == nil {
			names = append(names, name)
		}
	}
	return names
}

// Markdown renders the table as docs/syscalls.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# System calls\n\nGenerated from the table in `internal/syscalls` by `torov syscalls --markdown`; do not edit.\n\n")
	b.WriteString("A call that has no row gives ENOSYS; one that is not granted gives EPERM, and torov says once on stderr\nwhich flag grants it. `base` is always granted; every other group, or a single call, is granted with\n`--allow NAME`, taken back with `--deny NAME`, and `-A` grants all.\n\n## Groups\n\n| group | what it grants |\n| --- | --- |\n")
	var groups []string
	for g := range groupText {
		groups = append(groups, string(g))
	}
	sort.Strings(groups)
	for _, g := range groups {
		fmt.Fprintf(&b, "| `%s` | %s |\n", g, groupText[Group(g)])
	}
	b.WriteString("\n## Calls\n\n| nr | call | group | state | note |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range Table() {
		var names []string
		for _, a := range c.Args {
			names = append(names, a.Name)
		}
		fmt.Fprintf(&b, "| %d | `%s(%s)` | %s | %s | %s |\n", c.Nr, c.Name, strings.Join(names, ", "), c.Group, c.State, c.Note)
	}
	missing := Missing()
	fmt.Fprintf(&b, "\n## Not there\n\n%d calls of Linux give ENOSYS: %s.\n", len(missing), strings.Join(missing, ", "))
	return b.String()
}
