package kernel

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// procMounts shows the host's mounts if they are the program's, else the few
// there are.
func procMounts(v *procView) []byte {
	ns := v.p.FS.ns
	var b []byte
	if ns.mounts["/"].host {
		b = hostProc("mounts")
	}
	for _, m := range ns.shown() {
		b = fmt.Appendf(b, "%s %s %s %s 0 0\n", m.fsType(), mountEscape.Replace(m.target), m.fsType(), m.options())
	}
	return b
}

func procMountinfo(v *procView) []byte {
	ns := v.p.FS.ns
	var b []byte
	if ns.mounts["/"].host {
		b = hostProc("mountinfo")
	}
	for i, m := range ns.shown() {
		const firstID = 1 << 20 // away from the host's
		var st unix.Stat_t
		_ = unix.Fstat(m.fd, &st)
		b = fmt.Appendf(b, "%d %d %d:%d / %s %s - %s %s %s\n", firstID+i, firstID, unix.Major(st.Dev), unix.Minor(st.Dev),
			mountEscape.Replace(m.target), m.options(), m.fsType(), m.fsType(), m.options())
	}
	return b
}

// mountEscape is what mangle_path in the kernel does to names in mounts.
var mountEscape = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)
