package test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// busyboxCase is one command line of busybox. Words are divided by blanks,
// unless args is given; URL stands for a web server on loopback. No command
// here forks: torov has no child processes yet.
type busyboxCase struct {
	line  string
	args  []string
	stdin string
}

var busyboxCases = []busyboxCase{
	// Reading and showing.
	{line: "cat words.txt"},
	{line: "cat words.txt missing numbers.txt"},
	{line: "cat", stdin: "from\nstandard input\n"},
	{line: "cat -n words.txt -", stdin: "more\n"},
	{line: "tac words.txt"},
	{line: "rev words.txt"},
	{line: "head -n 3 words.txt"},
	{line: "head -c 100 binary"},
	{line: "tail -n 4 words.txt"},
	{line: "tail -c 50 binary"},
	{line: "tail -n +5", stdin: strings.Repeat("line\n", 10)},
	{line: "nl words.txt"},
	{line: "fold -w 7 words.txt"},
	{line: "od -A x -t x1z binary"},
	{line: "hexdump -C binary"},
	{line: "xxd binary"},
	{line: "strings binary"},
	{line: "more words.txt"},
	{line: "nl -b a", stdin: "a\n\nb\n"},
	// Sums and codes.
	{line: "md5sum words.txt binary missing"},
	{line: "sha1sum binary"},
	{line: "sha256sum words.txt numbers.txt table.csv"},
	{line: "sha512sum binary"},
	{line: "sha3sum binary"},
	{line: "crc32 binary words.txt"},
	{line: "md5sum -c sums"},
	{line: "base64 binary"},
	{line: "base64 -d", stdin: "dG9yb3YgcnVucyBwcm9ncmFtcwo="},
	{line: "uuencode name", stdin: "to be encoded\n"},
	{line: "uudecode -o - encoded"},
	// Counting, sorting, cutting.
	{line: "wc words.txt numbers.txt binary"},
	{line: "wc -l", stdin: strings.Repeat("x\n", 5000)},
	{line: "sort words.txt"},
	{line: "sort -rn numbers.txt"},
	{line: "sort -t , -k 2,2n -k 1 table.csv"},
	{line: "sort -u -o sorted words.txt"},
	{line: "uniq -c", stdin: "a\na\nb\nb\nb\na\n"},
	{line: "cut -d , -f 2,3 table.csv"},
	{line: "cut -c 2-4 words.txt"},
	{line: "paste -d : words.txt numbers.txt"},
	{line: "tr a-z A-Z", stdin: "shout this\n"},
	{line: "tr -cd 0-9", stdin: "a1b2c3"},
	{line: "expand -t 4", stdin: "a\tb\tc\n"},
	{line: "unexpand -a", stdin: "a       b       c\n"},
	{line: "seq 1 3 20"},
	{line: "seq -w 8 11"},
	{line: "shuf -i 1-1"},
	{line: "factor 123456789 97 1000000007"},
	{line: "cmp words.txt numbers.txt"},
	{line: "cmp words.txt words.txt"},
	{line: "diff words.txt sorted.txt"},
	{line: "diff -r tree tree/sub"},
	// Languages.
	{line: "grep -n e words.txt"},
	{line: "grep -rl alpha ."},
	{line: "grep -c nothing words.txt"},
	{line: "grep -E ^(b|d).*a$ words.txt"},
	{line: "egrep -io [aeiou]+ words.txt"},
	{args: []string{"sed", "-n", "s/\\(.\\)a/[\\1]/gp", "words.txt"}},
	{args: []string{"sed", "-i", "-e", "2d;$a\\last", "words.txt"}},
	{args: []string{"sed", "1!G;h;$!d", "words.txt"}},
	{args: []string{"awk", "-F,", "{s += $2; n[$1]++} END {for (i = 1; i < 4; i++) print i, s * i; printf \"%5.2f\\n\", s / NR}", "table.csv"}},
	{args: []string{"awk", "BEGIN {for (i = 0; i < 2000; i++) a[i] = i * i; print length(a), a[1999], substr(\"torov\", 2, 3), toupper(\"x\"), sin(1)}"}},
	{args: []string{"awk", "{print > $1 \".out\"}", "words.txt"}},
	{args: []string{"bc"}, stdin: "2^200\nscale=20\n4*a(1)\n"},
	{args: []string{"dc", "-e", "3 4 + 5 * p"}},
	{args: []string{"expr", "3", "*", "(", "4", "+", "5", ")"}},
	{args: []string{"echo", "-O1", "--foo=bar", "--root", "x", "-ab=c", "--", "-A"}},
	{args: []string{"sh", "-c", "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done; echo $i ${#i} ${HOME:-none}"}},
	{args: []string{"sh", "-c", "f() { local x=$1; [ $x -gt 1 ] && f $((x - 1)); echo $x; }; f 5; exit 3"}},
	{args: []string{"sh", "-c", "cd tree && echo *; for f in *.txt; do while read -r l; do echo \"$f: $l\"; done < $f; done; echo done > written"}},
	{args: []string{"sh", "-c", "trap 'echo bye' EXIT; set -e; echo one; false; echo two"}},
	{args: []string{"sh", "-c", "kill -USR1 $$; echo not reached"}},
	{args: []string{"sh", "script.sh", "a b", "c"}},
	{line: "ash", stdin: "echo from a script; x=5; echo $((x * x))\nexit 4\n"},
	// Files and directories.
	{line: "ls"},
	{line: "ls -a tree"},
	{line: "ls -lnR --full-time fixed"},
	{line: "ls -1S"},
	{line: "ls missing"},
	{line: "find . -name *.txt -size -2"},
	{line: "find tree -type f -newer fixed/old -o -type l"},
	{line: "find fixed -printf %p:%s:%m\\n"},
	{args: []string{"stat", "-c", "%n %s %a %F %Y %h", "fixed/old", "words.txt", "tree"}},
	{line: "readlink tree/link"},
	{line: "readlink -f tree/link"},
	{line: "realpath tree/../words.txt missing"},
	{line: "basename /a/b/c.txt .txt"},
	{line: "dirname /a/b/c.txt"},
	{line: "cp words.txt copy.txt"},
	{line: "cp -r tree copy"},
	{line: "cp -p fixed/old kept"},
	{line: "mv words.txt tree/moved.txt"},
	{line: "mv missing there"},
	{line: "rm -r tree"},
	{line: "rm tree"},
	{line: "mkdir -p a/b/c"},
	{line: "mkdir tree"},
	{line: "rmdir empty tree"},
	{line: "touch -d @1000000000 new words.txt"},
	{line: "ln -s words.txt soft"},
	{line: "ln words.txt hard"},
	{line: "chmod -R u=rwX,go= tree"},
	{line: "truncate -s 1000 words.txt"},
	{line: "fallocate -l 5000 space"},
	{line: "mkfifo pipe"},
	{line: "mktemp missing/XXXXXX"},
	{line: "du -a -b tree"},
	{line: "dd if=binary of=out bs=100 skip=1 count=2 seek=1"},
	{line: "dd if=/dev/zero bs=64k count=16 of=zeros status=none"},
	{line: "dd bs=3", stdin: "seven b"},
	{line: "shred -n 1 -u words.txt"},
	{line: "tee one two", stdin: "to three places\n"},
	{line: "sync"},
	{line: "patch -i change.patch"},
	{line: "unlink words.txt"},
	{line: "run-parts --test fixed"},
	// Archives.
	{line: "tar tvf archive.tar"},
	{line: "tar xf archive.tar"},
	{line: "tar xOf archive.tar top/one"},
	{line: "tar cf - -C fixed ."},
	{line: "tar cf new.tar tree words.txt missing"},
	{line: "tar x", stdin: "not an archive"},
	{line: "gzip -c words.txt"},
	{line: "gzip -k binary"},
	{line: "gunzip packed.gz"},
	{line: "gunzip -c packed.gz"},
	{line: "gunzip -t broken.gz"},
	{line: "bzip2 -c words.txt"},
	{line: "bunzip2", stdin: "not bzip2"},
	{line: "unxz", stdin: "not xz"},
	{line: "lzop -c words.txt"},
	{line: "cpio -o -H newc --renumber-inodes --ignore-devno", stdin: "words.txt\ntree\ntree/link\nfixed/old\nmissing\n"},
	{line: "cpio -idm", stdin: cpioArchive},
	{line: "ar -t archive.a"},
	// The system, where the answer is the same for both.
	{line: "echo hello   world"},
	{args: []string{"printf", "%s=%05d %x\\n", "a", "7", "255", "b", "-3"}},
	{line: "true"},
	{line: "false"},
	{line: "test -f words.txt"},
	{line: "[ -d words.txt ]"},
	{line: "env"},
	{line: "id"},
	{line: "whoami"},
	{line: "groups"},
	{line: "pwd"},
	{line: "uname -sm"},
	{line: "nproc"},
	{line: "date -u -d @1000000000 +%F_%T"},
	{line: "cal 2 2024"},
	{line: "sleep 0.01"},
	{line: "usleep 1000"},
	{line: "tty"},
	{line: "which sh busybox"},
	{line: "ipcalc -n 192.168.5.7/20"},
	{line: "mkpasswd -m sha256 -S saltsalt secret"},
	{line: "getopt ab:c -a -b value rest"},
	{line: "yes --help"},
	{line: "no-such-applet"},
	{line: ""},
	// The network.
	{line: "wget -q -O - URL/text"},
	{line: "wget -q -O page URL/large"},
	{line: "wget -q -O - URL/redirect"},
	{line: "wget -q URL/missing"},
	{line: "wget -q -O - --post-data=a=1 URL/post"},
	{line: "wget -q -O - --header=X-Test:yes URL/headers"},
	{line: "nc HOST PORT", stdin: "GET /text HTTP/1.0\r\n\r\n"},
}

// cpioArchive holds one file "note" in the newc format, cpio(5).
var cpioArchive = func() string {
	entry := func(name, data string, mode, links int) string {
		pad := func(s string) string { return s + strings.Repeat("\x00", -len(s)&3) }
		header := "070701"
		for _, v := range []int{1, mode, 0, 0, links, 1e9, len(data), 0, 0, 0, 0, len(name) + 1, 0} {
			header += fmt.Sprintf("%08X", v)
		}
		return pad(header+name+"\x00") + pad(data)
	}
	return entry("note", "by cpio\n", 0o100644, 1) + entry("TRAILER!!!", "", 0, 1)
}()

func TestBusybox(t *testing.T) {
	needKVM(t)
	if _, err := os.Stat(busybox); err != nil {
		t.Skipf("no busybox here (Debian: apt-get install busybox-static): %v", err)
	}
	server := httptest.NewServer(webPages())
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	host, port, _ := strings.Cut(address, ":")
	fill := strings.NewReplacer("URL", server.URL, "HOST", host, "PORT", port)
	for i, c := range busyboxCases {
		if !inSample(i) {
			continue
		}
		args := c.args
		if args == nil {
			args = strings.Fields(fill.Replace(c.line))
		}
		name := c.line
		if name == "" {
			name = strings.Join(c.args, " ")
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same(t, command{path: busybox, args: args, stdin: c.stdin}, busyboxFiles, nil)
		})
	}
}

func webPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = nil // would differ from one second to the next
		fmt.Fprintln(w, "a page")
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100000 {
			fmt.Fprintln(w, "line", i)
		}
	})
	mux.Handle("/redirect", http.RedirectHandler("/text", http.StatusFound))
	mux.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Method, r.FormValue("a"))
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Header.Get("X-Test"), r.UserAgent())
	})
	return mux
}

// busyboxFiles fills a directory with what the commands work on.
func busyboxFiles(dir string) error {
	words := "delta\nalpha\nbravo\nalpha\ncharlie\nbanana\necho\n\nfoxtrot golf\n\thotel\n"
	binary := make([]byte, 1000)
	for i := range binary {
		binary[i] = byte(i * i >> 3)
	}
	copy(binary[500:], "a string within")
	files := map[string]string{
		"words.txt":       words,
		"sorted.txt":      "alpha\nalpha\nbanana\nbravo\n",
		"numbers.txt":     "10\n9\n100\n-5\n3.5\n",
		"table.csv":       "x,3,red\ny,1,blue\nz,20,red\nx,2,green\n",
		"binary":          string(binary),
		"sums":            "1e50210a0202497fb79bc38b6ade6c34  baker\n900150983cd24fb0d6963f7d28e17f72  abc\n",
		"abc":             "abc",
		"encoded":         "begin 644 x\n#86)C\n`\nend\n",
		"script.sh":       "echo \"$# arguments: $1, $2\"\ncase $2 in c) echo see;; esac\n",
		"change.patch":    "--- abc\n+++ abc\n@@ -1 +1 @@\n-abc\n\\ No newline at end of file\n+abcd\n",
		"archive.a":       "!<arch>\nmember/         0           0     0     644     3         `\nxyz\n",
		"tree/deep.txt":   "alpha in the tree\n",
		"tree/a.txt":      "one\ntwo\n",
		"tree/sub/a.txt":  "one\n2\n",
		"fixed/old":       "old\n",
		"fixed/sub/older": "",
		"archive.tar":     tarFile(),
		"packed.gz":       gzipped(words),
		"broken.gz":       gzipped(words)[:40],
	}
	// Sorted: some file systems list a directory in the order of creation.
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(files[name]), 0o644); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("deep.txt", filepath.Join(dir, "tree/link")); err != nil {
		return err
	}
	return setTimes(dir)
}

// setTimes gives everything below dir one time, so that archives of it do not
// depend on the clock, and fixed/old an earlier one.
func setTimes(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		when := unix.Timespec{Sec: 1e9}
		if d.Name() == "old" {
			when.Sec -= 3600
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

func gzipped(s string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(s)) // into memory: cannot fail
	_ = w.Close()
	return out.String()
}

func tarFile() string {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range []tar.Header{
		{Name: "top/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "top/one", Size: 4, Mode: 0o640},
		{Name: "top/two", Typeflag: tar.TypeSymlink, Linkname: "one", Mode: 0o777},
		{Name: "top/same", Typeflag: tar.TypeLink, Linkname: "top/one", Mode: 0o640},
	} {
		h.ModTime = time.Unix(1e9, 0)
		_ = w.WriteHeader(&h) // into memory, and the headers are good
		_, _ = w.Write([]byte("one\n")[:h.Size])
	}
	_ = w.Close()
	return out.String()
}
