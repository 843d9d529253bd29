// Command testsum reads the events of `go test -json` and prints what a person
// wants to know: one line for each package, the output of the tests that
// failed, the reasons of those that were skipped, and a summary, which it also
// writes to build/summary/NAME. It exits with 1 if a test failed, if there was
// no test, or if a package named by -kvm passed no test: a suite that skips
// everything must not look like one that passes.
//
// It imports nothing of torov.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	name := flag.String("name", "test", "name of the `run` in the summary")
	kvm := flag.String("kvm", "", "comma-separated `packages` of which a test must pass")
	dir := flag.String("dir", "build/summary", "`directory` of the summaries")
	flag.Parse()

	var must []string
	if *kvm != "" {
		must = strings.Split(*kvm, ",")
	}
	r := newReport(os.Stdout)
	err := r.read(os.Stdin)
	ok, summary := r.finish(*name, must)
	if err == nil {
		err = write(*dir, *name, summary)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "testsum: %v\n", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

func write(dir, name, summary string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(summary+"\n"), 0o644)
}
