package toy

import . "torov/rsp/amd64" //lint:ignore ST1001 a program reads better without qualifiers

// Exit status of the programs.
const ExitCode = 7

// Counter is a program that calls work(i) for i from 0 to 9, which adds i to
// the variable counter, then prints a greeting and exits with ExitCode.
func Counter() *Image {
	a := newAsm()
	a.label("_start")
	a.mov(RBX, 0)
	a.label("loop")
	a.movReg(RDI, RBX)
	a.call("work")
	a.inc(RBX)
	a.cmp(RBX, 10)
	a.jne("loop")
	greet(a)
	exit(a)
	work(a)
	return a.image(greeting())
}

// Threads is a program that starts two threads which count in rbp, each for
// ever, and waits.
func Threads() *Image {
	a := newAsm()
	a.label("_start")
	for i := range uint64(2) {
		a.movLabel(RDI, "worker")
		a.mov(RSI, stackBase+0x1000*(i+1))
		a.syscall(sysClone)
	}
	a.label("wait")
	a.syscall(sysPause)
	a.jmp("wait")
	a.label("worker")
	a.mov(RBP, 0)
	a.label("spin")
	a.inc(RBP)
	a.jmp("spin")
	return a.image(greeting())
}

// Signals is a program that sends itself SIGUSR1, then reads address 0.
func Signals() *Image {
	a := newAsm()
	a.label("_start")
	a.mov(RDI, 10)
	a.syscall(sysTkill)
	a.label("after")
	a.nop()
	a.mov(RSI, 0)
	a.label("crash")
	a.load(RAX, RSI)
	exit(a)
	return a.image(greeting())
}

// Fork is a program that forks; parent and child exit with ExitCode.
func Fork() *Image {
	a := newAsm()
	a.label("_start")
	a.syscall(sysFork)
	a.label("both")
	a.nop()
	exit(a)
	return a.image(greeting())
}

const hello = "hello from the toy\n"

func greeting() []byte {
	data := make([]byte, 64)
	copy(data[16:], hello)
	return data
}

func greet(a *asm) {
	a.mov(RDI, 1)
	a.data("counter", 0)
	a.data("message", 16)
	a.movLabel(RSI, "message")
	a.mov(RDX, uint64(len(hello)))
	a.syscall(sysWrite)
}

func exit(a *asm) {
	a.mov(RDI, ExitCode)
	a.syscall(sysExitGroup)
}

func work(a *asm) {
	a.label("work")
	a.movLabel(RSI, "counter")
	a.load(RAX, RSI)
	a.add(RAX, RDI)
	a.label("work_store")
	a.store(RSI, RAX)
	a.label("work_end")
	a.ret()
}
