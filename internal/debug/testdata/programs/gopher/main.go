// Command gopher has variables of many types, something to watch, and a loop
// that ends when somebody changes a variable, for Delve to see.
package main

import (
	"errors"
	"fmt"
	"os"
)

type animal interface{ sound() string }

type cat struct {
	name  string
	lives int
}

func (c *cat) sound() string { return c.name + " purrs" }

var (
	counter int
	stop    bool
	errNone = errors.New("none")
)

func f(n int) int { return 2*n + counter }

func count(limit int) (sum int) {
	for i := 1; i <= limit; i++ {
		counter += i
	}
	defer func() { sum = counter }()
	return 0
}

func look(a animal, ages map[string]int, words []string) string {
	c, ok := a.(*cat)
	if !ok {
		return ""
	}
	c.lives--
	return fmt.Sprint(a.sound(), len(ages), words)
}

func spin() {
	for n := 0; !stop; n++ {
		f(n)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "spin" {
		spin()
	}
	fmt.Println(look(&cat{"Tom", 7}, map[string]int{"a": 1, "b": 2}, []string{"x", "y"}))
	fmt.Println("sum", count(4), "f", f(1))
	if len(os.Args) > 1 && os.Args[1] == "panic" {
		panic(errNone)
	}
	os.Exit(3)
}
