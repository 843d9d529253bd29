# What can be done with this repository; `make help` lists it. Go's own cache
# knows what has changed, so nothing here is a file target.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
MAKEFLAGS += --no-print-directory

.PHONY: build programs setup demo test lab bench fuzz gdbsuite clean help

build: ## build bin/torov, a static program
	CGO_ENABLED=0 go build -buildvcs=false -ldflags '-X main.version=$(VERSION)' -o bin/torov ./cmd/torov

programs: ## build the examples and the guest programs of the tests
	$(MAKE) -C examples
	$(MAKE) -C test/programs
	$(MAKE) -C internal/debug/testdata/programs

setup: ## install the Debian packages that the targets need, if missing
	scripts/setup

demo: setup ## build everything, run the examples, debug one with gdb
	$(MAKE) build programs
	scripts/demo

test: setup ## check format, vet and staticcheck; run all tests
	$(MAKE) build programs
	scripts/test

lab: setup ## run the KVM and debugger tests on emulated VT-x and AMD-V
	$(MAKE) build programs
	scripts/lab vtx svm

bench: setup ## run the benchmarks and print them with their ratios
	$(MAKE) build programs
	scripts/bench

fuzz: ## fuzz every target for FUZZTIME each (10s)
	scripts/fuzz

gdbsuite: setup ## run GDB's own test suite against gdbserver and torov (hours)
	$(MAKE) build
	scripts/gdbsuite

clean: ## remove everything that was built
	rm -rf bin build

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile
