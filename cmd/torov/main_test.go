package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestCutProgram(t *testing.T) {
	parser := kong.Must(&cli{}, kong.Name("torov"), kong.Vars{"memory": "1G"})
	for line, want := range map[string]string{
		"run -A gcc -O1 --root=/x -- h.c":      "gcc -O1 --root=/x -- h.c",
		"run --root /r --memory=2G p --help":   "p --help",
		"run --allow file,net -- -p -x":        "-p -x",
		"run --gdb - p":                        "p",
		"run --gdb :1 --gdb-multi":             "",
		"run -A --no-aslr --new-pid - x":       "- x",
		"run --env A=B --mount a:/b --cwd / p": "p",
		"syscalls --markdown":                  "",
		"":                                     "",
	} {
		args := strings.Fields(line)
		own, program := cutProgram(parser.Model, args)
		if strings.Join(program, " ") != want {
			t.Errorf("%s: the program is %q, want %q", line, program, want)
		}
		if _, err := parser.Parse(own); err != nil && line != "" {
			t.Errorf("%s: %q: %v", line, own, err)
		}
		if !slices.Equal(own, args[:len(own)]) {
			t.Errorf("%s: torov's own part is %q", line, own)
		}
	}
}
