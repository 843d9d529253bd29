package rsp_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"time"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// A debuggee is served to whoever connects: here to a client that asks, by
// hand, why the program is stopped. With GDB it would be
//
//	gdb -ex 'target remote :1234'
func Example() {
	machine := toy.New(toy.Counter())
	defer machine.Close()

	listener, err := rsp.Listen(":0") // ":1234" in earnest
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server := &rsp.Server{Target: machine.Target(), Name: "example", Version: "1.0"}
	go server.Serve(ctx, listener)

	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Fprint(client, "$?#3f")
	reply, err := bufio.NewReader(client).ReadString(';')
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply)
	// Output: +$T05thread:4c4b41;
}
