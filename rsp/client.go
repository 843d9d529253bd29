package rsp

import (
	"fmt"
	"strings"
)

// clientKind is which debugger is at the other end. It decides only what no
// negotiation covers; everything else follows from the features a client
// announces.
type clientKind uint8

const (
	clientGDB clientKind = iota // and everything unknown
	clientLLDB
	clientDelve
)

func (k clientKind) String() string { return [...]string{"gdb", "lldb", "delve"}[k] }

// client is what is known about the debugger.
type client struct {
	kind     clientKind
	features map[string]bool // announced in qSupported with '+'

	multiprocess bool // thread ids are written as p1.2
	errorMessage bool // E.text is understood everywhere
	errorStrings bool // LLDB: Exx;hextext
	threadSuffix bool // LLDB: register packets name their thread
	listThreads  bool // LLDB: stop replies list all threads
	events       EventSet
}

// announce takes the arguments of qSupported: name+ name- name? name=value,
// separated by semicolons.
func (c *client) announce(features string) {
	c.features = map[string]bool{}
	xmlRegisters := ""
	for item := range strings.SplitSeq(features, ";") {
		if name, ok := strings.CutSuffix(item, "+"); ok {
			c.features[name] = true
		} else if v, ok := strings.CutPrefix(item, "xmlRegisters="); ok {
			xmlRegisters = v
		}
	}
	c.multiprocess = c.features["multiprocess"]
	c.errorMessage = c.features["error-message"]
	// LLDB and Delve ask for thread suffixes at the start; GDB never does.
	// LLDB names several architectures, Delve one.
	switch {
	case strings.Contains(xmlRegisters, ",") && !c.features["vContSupported"]:
		c.kind = clientLLDB
	case c.threadSuffix && !c.features["vContSupported"]:
		c.kind = clientDelve
	default:
		c.kind = clientGDB
	}
}

// eventFeatures are the events a client announces in qSupported.
var eventFeatures = []struct {
	name  string
	event EventSet
}{
	{"fork-events", EventFork},
	{"vfork-events", EventVfork},
	{"exec-events", EventExec},
	{"no-resumed", EventNoResumed},
}

// feature is an item of our answer to qSupported.
type feature struct {
	name string
	when func(s *session) bool
}

func always(*session) bool { return true }

// has makes a condition of a client's feature.
func has(name string) func(*session) bool {
	return func(s *session) bool { return s.client.features[name] }
}

// offers makes a condition of a capability.
func offers(f func(t *Target) bool) func(*session) bool {
	return func(s *session) bool { return f(s.t) }
}

// features is what there is to announce. QStartNoAckMode and the like stand
// for packets that exist; a name must not be here if its packet can get the
// empty reply.
var features = []feature{
	{"QStartNoAckMode+", always},
	{"multiprocess+", has("multiprocess")},
	{"swbreak+", has("swbreak")},
	{"hwbreak+", has("hwbreak")},
	{"vContSupported+", always},
	{"binary-upload+", always},
	{"error-message+", has("error-message")},
	{"QThreadSuffixSupported+", always},
	{"QListThreadsInStopReply+", always},
	{"native-signals+", func(s *session) bool { return s.client.kind == clientLLDB }},
	{"qXfer:features:read+", always},
	{"qXfer:threads:read+", always},
	{"qXfer:auxv:read+", offers(func(t *Target) bool { return t.Auxv != nil })},
	{"qXfer:exec-file:read+", offers(func(t *Target) bool { return t.ExecFile != nil })},
	{"qXfer:libraries-svr4:read+", offers(func(t *Target) bool { return t.Libraries != nil })},
	{"augmented-libraries-svr4-read+", offers(func(t *Target) bool { return t.Libraries != nil })},
	{"qXfer:siginfo:read+", offers(func(t *Target) bool { return t.SigInfo != nil })},
	{"qXfer:siginfo:write+", offers(func(t *Target) bool { return t.SigInfo != nil })},
	{"qXfer:osdata:read+", offers(func(t *Target) bool { return t.OSData != nil })},
	{"QPassSignals+", offers(func(t *Target) bool { return t.Signals != nil })},
	{"QProgramSignals+", offers(func(t *Target) bool { return t.Signals != nil })},
	{"QCatchSyscalls+", offers(func(t *Target) bool { return t.Syscalls != nil })},
	{"QNonStop+", offers(func(t *Target) bool { return t.NonStop != nil })},
	{"ReverseContinue+", offers(func(t *Target) bool { return t.Reverse != nil })},
	{"ReverseStep+", offers(func(t *Target) bool { return t.Reverse != nil })},
	{"fork-events+", event(EventFork)},
	{"vfork-events+", event(EventVfork)},
	{"exec-events+", event(EventExec)},
	{"no-resumed+", event(EventNoResumed)},
	{"QThreadEvents+", func(s *session) bool { return s.supportedEvents()&EventThread != 0 }},
	{fmt.Sprintf("QThreadOptions=%x", cloneOption), func(s *session) bool { return s.supportedEvents()&EventClone != 0 }},
	{"ConditionalBreakpoints+", offers(func(t *Target) bool {
		return t.Breakpoints != nil && t.Breakpoints.BreakpointCaps().Conditions
	})},
	{"BreakpointCommands+", offers(func(t *Target) bool {
		return t.Breakpoints != nil && t.Breakpoints.BreakpointCaps().Commands
	})},
	{"QDisableRandomization+", launches},
	{"QStartupWithShell+", launches},
	{"QEnvironmentHexEncoded+", launches},
	{"QEnvironmentReset+", launches},
	{"QEnvironmentUnset+", launches},
	{"QSetWorkingDir+", launches},
}

func launches(s *session) bool { return s.t.Launcher != nil }

// event makes a condition of an event that client and target both know.
func event(e EventSet) func(*session) bool {
	return func(s *session) bool { return s.client.events&s.supportedEvents()&e != 0 }
}

func (s *session) supportedEvents() EventSet {
	if s.t.Events == nil {
		return 0
	}
	return s.t.Events.SupportedEvents()
}
