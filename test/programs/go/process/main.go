// Process prints what Go sees of its process: arguments, environment,
// working directory, standard input, ids, limits.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"syscall"
	"time"
)

func main() {
	fmt.Printf("%s %q\n", filepath.Base(os.Args[0]), os.Args[1:])
	environment := os.Environ()
	sort.Strings(environment)
	for _, e := range environment {
		fmt.Println(e)
	}
	cwd, err := os.Getwd()
	fmt.Println("in", filepath.Base(cwd), err)
	executable, err := os.Executable()
	fmt.Println("executable", filepath.Base(executable), err)
	fmt.Println("ids", os.Getuid(), os.Geteuid(), os.Getgid(), os.Getpid() > 0)
	fmt.Println("processors", runtime.NumCPU() > 0, "page", os.Getpagesize())
	host, err := os.Hostname()
	fmt.Println("host name", host != "", err)
	var limit syscall.Rlimit
	fmt.Println("limit", syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit), limit.Cur > 0)
	fmt.Println("temp", os.TempDir(), "time", time.Unix(1700000000, 0).UTC())
	lines, bytes := 0, 0
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		lines++
		bytes += len(in.Bytes())
	}
	fmt.Println("stdin", lines, bytes, in.Err())
	fmt.Fprintln(os.Stderr, "to standard error")
}
