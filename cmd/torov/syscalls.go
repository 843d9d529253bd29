package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strings"
	"text/tabwriter"

	"torov/internal/syscalls"
)

type syscallsCmd struct {
	Markdown bool `help:"Print docs/syscalls.md."`
	All      bool `help:"Also list the calls of Linux that are not there (ENOSYS)."`
}

// Run implements the verb.
func (c syscallsCmd) Run() error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if c.Markdown {
		fmt.Fprint(out, syscalls.Markdown())
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NR\tNAME\tGROUP\tSTATE\tNOTE")
	for _, row := range syscalls.Table() {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", row.Nr, row.Name, row.Group, row.State, row.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if c.All {
		fmt.Fprintf(out, "\nnot there (ENOSYS): %s\n", strings.Join(syscalls.Missing(), " "))
	}
	fmt.Fprintln(out, "\ngroups for --allow and --deny:")
	groups := syscalls.Groups()
	var names []string
	for g := range groups {
		names = append(names, string(g))
	}
	sort.Strings(names)
	for _, g := range names {
		fmt.Fprintf(out, "  %-8s %s\n", g, groups[syscalls.Group(g)])
	}
	return nil
}
