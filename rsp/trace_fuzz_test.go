package rsp_test

import (
	"strings"
	"testing"

	"torov/rsp/internal/toy"
)

// FuzzTrace sends a series of packets about tracepoints, one a line, lets the
// program run, and looks at what was recorded.
func FuzzTrace(f *testing.F) {
	work, end := at(toy.Counter(), "work"), at(toy.Counter(), "work_end")
	for _, series := range [][]string{
		{"QTDP:1:" + work + ":E:0:0-", "QTDP:-1:" + work + ":R0fM-1,403000,8"},
		{"QTDP:1:" + work + ":E:2:3:X6,220122000527-", "QTDP:-1:" + work + ":R0-", "QTDP:-1:" + work + ":SX5,2e000127-"},
		{"QTBuffer:size:40", "QTBuffer:circular:1", "QTDP:1:" + end + ":E:ffffffffffffffff:0-", "QTDP:-1:" + end + ":SM-1,0,ffffffffffffffff"},
		{"QTDV:7:5:0:78", "QTDP:3:" + work + ":E:0:0-", "QTDP:-3:" + work + ":Xd,2c00072201032d00072e000727", "QTro:0,ffffffffffffffff"},
		{"QTDP:1:" + end + ":E:0:0-", "QTDP:-1:" + end + ":M5,fffffffffffffff8,10", "QTDPsrc:1:" + end + ":at:0:6:2a", "QTDisconnected:1", "QTNotes:user:61;"},
		malformedTrace[:len(malformedTrace)/2], malformedTrace[len(malformedTrace)/2:],
	} {
		f.Add(strings.Join(series, "\n"))
	}
	f.Fuzz(func(t *testing.T, series string) {
		s := startGDB(t, toy.Counter())
		s.want("QTinit", "OK")
		for line := range strings.Lines(series) {
			if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "QT") || strings.HasPrefix(line, "qT") {
				s.cmd(escape(line))
			}
		}
		for _, p := range []string{
			"QTFrame:-1", "QTStart", "Z0," + end + ",1;X9,260005164022091327", "vCont;c", "qTStatus", "QTStop",
			"QTFrame:0", "g", "p10", "m403000,20", "qXfer:traceframe-info:read::0,1000", "qTV:7", "QTFrame:range:0:ffffffffffffffff", "QTFrame:outside:0:0",
			"qTBuffer:0,1000", "qTfP", "qTsP", "qTsP", "qTsP", "qTfV", "qTsV", "QTFrame:-1", "z0," + end + ",1", "c", "qTStatus",
		} {
			s.cmd(p)
		}
		s.conn.c.Close()
		if err := waitEnd(t, s); err != nil {
			t.Fatalf("the session ended with %v", err)
		}
	})
}
