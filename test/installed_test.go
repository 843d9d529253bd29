package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// installed are command lines of programs that a machine has: dynamically
// linked, with threads and children. Each runs in a directory of its own.
var installed = []struct {
	name string
	args []string
	need []string // programs beside the first
}{
	{"pipeline", []string{"bash", "-c", "printf 'b\\na\\nc\\n' | sort | tr a-z A-Z | while read x; do echo \"<$x>\"; done; echo ${PIPESTATUS[@]}"}, nil},
	{"substitution", []string{"bash", "-c", "x=$(echo one; echo two | rev); echo \"$x\"; diff <(echo a) <(echo b); echo $?"}, nil},
	{"statuses", []string{"bash", "-c", "(exit 3); echo $?; false | true; echo $?; ! true; echo $?; bash -c 'kill -TERM $$'; echo $?; exit 42"}, nil},
	{"traps", []string{"bash", "-c", "trap 'echo usr1' USR1; trap 'echo bye' EXIT; kill -USR1 $$; (trap 'echo child; exit 4' TERM; kill -TERM $BASHPID; sleep 5); echo $?"}, nil},
	{"here-document", []string{"bash", "-c", "cat <<X | wc -lw\nline one\nline $((1 + 1))\nX\n"}, nil},
	{"background", []string{"bash", "-c", "sleep 0.3 & p=$!; kill -0 $p && echo runs; wait $p; echo $?; sleep 60 & kill %1; wait; echo done"}, nil},
	{"job control", []string{"bash", "-mc", "sleep 60 & kill -STOP %1; sleep 0.2; kill -CONT %1; kill %1; wait %1; echo $?; (sleep 0.1; echo late) & fg %+; set -o | grep monitor"}, nil},
	{"functions", []string{"bash", "-c", "f() { local n=$1; [ $n -gt 0 ] && (f $((n - 1))); echo $n; }; f 4; exec 3>out; echo to a file >&3; exec 3>&-; cat out"}, nil},
	{"xargs", []string{"bash", "-c", "seq 20 | xargs -n 4 -P 2 echo | sort -n | head -3; find . -name '*' | wc -l"}, nil},
	{"subshells", []string{"bash", "-c", "for i in $(seq 30); do (echo $i) & done | sort -n | tail -2; wait"}, nil},
	{"exec", []string{"bash", "-c", "exec -a other bash -c 'echo $0; echo $SHLVL'"}, nil},
	{"C", []string{"bash", "-c", "echo 'int printf(const char *, ...); int main(void) { printf(\"compiled\\n\"); return 3; }' >p.c; gcc -O1 p.c -o p && ./p; echo $?; rm p"}, []string{"gcc"}},
	{"make", []string{"bash", "-c", "printf 'all: a b\\na b:\\n\\t@echo making $@ >$@; sleep 0.1\\n' >Makefile; make -j2; cat a b"}, []string{"make"}},
	{"git", []string{"bash", "-c", "export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2001-01-01 00:00 +0000' GIT_COMMITTER_DATE='2001-01-01 00:00 +0000'; g='git -c user.name=n -c user.email=e@example.org -C r'; git init -q -b main r; echo x >r/f; $g add f; $g commit -qm one; echo y >r/f; $g commit -qam two; $g log --oneline; $g gc -q; $g fsck; git clone -q r s; cat s/f; rm -rf r s"}, []string{"git"}},
	{"python", []string{"python3", "-c", `
import os, subprocess, sys, threading
print(subprocess.check_output(["echo", "sub"]), subprocess.run(["sh", "-c", "exit 3"]).returncode)
pid = os.fork()
if pid == 0:
    os._exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
r, w = os.pipe()
threads = [threading.Thread(target=os.write, args=(w, b"x")) for _ in range(20)]
for t in threads: t.start()
for t in threads: t.join()
print(len(os.read(r, 100)), sum(range(100000)))
try:
    subprocess.run(["/nowhere"])
except FileNotFoundError as e:
    print(e)
sys.exit(9)
`}, nil},
	{"multiprocessing", []string{"python3", "-c", "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n  m.set_start_method('fork')\n  with m.Pool(3) as p: print(p.map(f, range(8)))"}, nil},
	{"perl", []string{"perl", "-e", `open(my $p, "-|", "echo from a child") or die; print <$p>; close $p; my $pid = fork(); exit 6 unless $pid; waitpid $pid, 0; print $? >> 8, "\n"; print qx(echo quoted); $SIG{ALRM} = sub { print "alarm\n"; exit 0 }; alarm 1; sleep 5`}, nil},
}

func TestInstalled(t *testing.T) {
	needKVM(t)
	for _, c := range installed {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range append([]string{c.args[0]}, c.need...) {
				if _, err := exec.LookPath(name); err != nil {
					t.Skipf("no %s here to run", name)
				}
			}
			path, err := exec.LookPath(c.args[0])
			if err != nil {
				t.Fatal(err)
			}
			same(t, command{path: path, args: c.args[1:], env: []string{"PATH=" + os.Getenv("PATH")}}, nil, nil)
		})
	}
}

// A script is run by what its first line names.
func TestScript(t *testing.T) {
	needKVM(t)
	script := func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "script"), []byte("#!/bin/sh -e\necho \"$0 $# $*\"\nfalse\necho not reached\n"), 0o755)
	}
	same(t, command{path: "./script", args: []string{"-x", "two words"}}, script, nil)
}
