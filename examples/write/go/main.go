// Write is WriteFile in Go: writes a file, reads it back, and says what it
// read. The name comes from the first argument; without one it is /hello.txt.
package main

import (
	"fmt"
	"os"
)

func main() {
	path := "/hello.txt"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if err := write(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(path string) error {
	if err := os.WriteFile(path, []byte("Written by a Go program.\n"), 0o644); err != nil {
		return err
	}
	back, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fmt.Printf("wrote %s: %s", path, back)
	return nil
}
