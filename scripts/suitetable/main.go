// Command suitetable compares two runs of GDB's test suite, one directory of
// gdb.sum files each, and prints how many tests of each directory ended how,
// and which tests only the first run passed. It exits with 1 if there are such
// that the list of known differences does not allow.
//
// It imports nothing of torov.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	known := flag.String("known", "", "`file` of known differences")
	again := flag.String("again", "", "write the test files with unknown differences to `file`")
	all := flag.Bool("all", false, "print known differences, too, test by test")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: suitetable [flags] REFERENCE-DIR DIR")
		os.Exit(2)
	}
	ok, err := run(flag.Arg(0), flag.Arg(1), *known, *again, *all)
	if err != nil {
		fmt.Fprintf(os.Stderr, "suitetable: %v\n", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(reference, dir, known, again string, all bool) (bool, error) {
	c, err := load(reference, dir, known)
	if err != nil {
		return false, err
	}
	c.print(os.Stdout, all)
	if again != "" {
		if err := writeLines(again, c.unknown()); err != nil {
			return false, err
		}
	}
	return len(c.unknown()) == 0, nil
}

// load reads two runs and what is known of their differences.
func load(reference, dir, known string) (*comparison, error) {
	want, err := readTree(reference)
	if err != nil {
		return nil, err
	}
	got, err := readTree(dir)
	if err != nil {
		return nil, err
	}
	allowed, err := readKnown(known)
	if err != nil {
		return nil, err
	}
	return compare(want, got, allowed), nil
}
