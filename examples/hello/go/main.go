// Hello is HelloWorld in Go: one goroutine composes, another prints.
package main

import (
	"fmt"
	"os"
)

func main() {
	name := "World"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	lines := make(chan string)
	go greet(name, 3, lines)
	for line := range lines {
		fmt.Println(line)
	}
}

func greet(name string, count int, lines chan<- string) {
	defer close(lines)
	for i := 1; i <= count; i++ {
		lines <- fmt.Sprintf("Hello, %s! (%d)", name, i)
	}
}
