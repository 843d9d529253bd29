package config

import (
	"fmt"
	"strings"
)

// Reference renders the tables of fields as Markdown, for the page
// docs/configuration.md.
func Reference() string {
	var b strings.Builder
	section(&b, "Top level", "", configFields)
	section(&b, "Mounts", "Each element of `Mounts`:", mountFields)
	section(&b, "Debug", "", debugFields)
	section(&b, "Hypercalls", "Each element of `Hypercalls`:", hypercallFields)
	section(&b, "Permissions", "", permissionFields)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func section[T any](b *strings.Builder, title, intro string, fields []field[T]) {
	fmt.Fprintf(b, "### %s\n\n", title)
	if intro != "" {
		fmt.Fprintf(b, "%s\n\n", intro)
	}
	b.WriteString("| field | type | default | meaning |\n| --- | --- | --- | --- |\n")
	for _, f := range fields {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, f.typ, f.def, f.doc)
	}
	b.WriteString("\n")
}
