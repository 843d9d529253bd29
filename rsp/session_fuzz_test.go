package rsp_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// greetings are how the debuggers begin.
var greetings = [][]string{
	{gdbFeatures, "QStartNoAckMode"},
	{"QStartNoAckMode", "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+;vfork-events+", "QThreadSuffixSupported", "QListThreadsInStopReply", "QEnableErrorStrings"},
	{"QStartNoAckMode", "QThreadSuffixSupported", "qSupported:swbreak+;hwbreak+;no-resumed+;xmlRegisters=i386", "QListThreadsInStopReply"},
}

// rare are packets that neither a transcript nor a list of bad ones has.
var rare = []string{
	"!\nR00\nqC",
	"C0a", "S0a", "vCont;C0a:" + pid, "bs", "bc", "R00", "vStopped", "vCtrlC", "QNonStop:1\nvCont;c\nvCont;t\nvStopped", "QThreadOptions;1:p-1.-1", "QThreadEvents:1",
	"QDisableRandomization:1\nQStartupWithShell:0\nQEnvironmentReset\nQEnvironmentUnset:41\nQEnvironmentHexEncoded:413d42\nQSetWorkingDir:2f\nvRun;",
	"vAttach;" + pid, "vKill;" + pid, "qSymbol::", "QAllow:WriteReg:1", "qEcho:17", "qSearch:memory:403000;100;abc", "qCRC:403000,100",
	"QSaveRegisterState;thread:" + pid + ";\nQRestoreRegisterState:1;thread:" + pid + ";", "_M1000,rwx\n_m10000000", "qShlibInfoAddr", "qGDBServerVersion", "qRegisterInfo3",
	"qRcmd,6563686f2061", "qXfer:siginfo:write::0:aaaa", "vFile:pwrite:0,0,a", "vFile:unlink:2f", "vFile:readlink:2f", "vFile:stat:2f", "qThreadExtraInfo,1", "qTMinFTPILen", "qThreadStopInfo1",
	"qGetTLSAddr:1,0,0", "T1", "qSupportsDetachAndStayStopped:\nD1", "qfThreadInfo\nqsThreadInfo", "Z1,401000,1;cmds:1,X3,220127", "Z3,403000,8\nZ4,403000,8",
}

// fuzzSeeds are sessions for FuzzSession: packets in lines.
func fuzzSeeds(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %v", files, err)
	}
	seeds := append([]string{strings.Join(malformed, "\n")}, rare...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var session []string
		for line := range strings.Lines(string(text)) {
			if quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
				p, err := strconv.Unquote(quoted)
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				session = append(session, p)
			}
		}
		seeds = append(seeds, strings.Join(session, "\n"))
	}
	return seeds
}

// TestFuzzSeeds: every packet that is served is in a seed.
func TestFuzzSeeds(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range fuzzSeeds(t) {
		for p := range strings.SplitSeq(s, "\n") {
			seen[rsp.SplitName(p)] = true
		}
	}
	for _, name := range rsp.PacketNames() {
		if !seen[name] {
			t.Errorf("no seed has the packet %s; give it one in rare", name)
		}
	}
}

// maxFuzzed bounds a session, so that one does not take long.
const maxFuzzed = 64

// FuzzSession sends packets as each of the debuggers would: whatever is in
// them, replies are well-formed, each packet has at most one of its own beside
// what a monitor command prints, and breakpoints are gone at the end.
func FuzzSession(f *testing.F) {
	for _, s := range fuzzSeeds(f) {
		for who := range greetings {
			f.Add(byte(who), s)
		}
	}
	f.Fuzz(func(t *testing.T, who byte, session string) {
		list := strings.Split(session, "\n")
		list = append(greetings[int(who)%len(greetings)], list[:min(len(list), maxFuzzed)]...)
		var in strings.Builder
		for _, p := range list {
			in.WriteString(frame(escape(p)))
		}
		replies := framed(t, talk(t, toy.Counter(), []byte(in.String())))
		if replies > len(list) && !strings.Contains(session, "qRcmd") {
			t.Fatalf("%d replies to %d packets", replies, len(list))
		}
	})
}
