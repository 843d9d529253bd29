package bench

import (
	"slices"
	"strconv"
	"testing"
)

// part is one of the things that a benchmark compares.
type part struct {
	name   string
	sample func(b *testing.B) float64 // ns of one operation
}

// rounds is how often each part is measured. Machines have moods of seconds:
// the parts take turns, so that a mood concerns all of them.
const rounds = 9

// compare reports the median of each part's samples.
func compare(b *testing.B, parts ...part) {
	samples := make([][]float64, len(parts))
	for range rounds {
		for i, p := range parts {
			samples[i] = append(samples[i], p.sample(b))
		}
	}
	for i, p := range parts {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() { // measured already
			}
			slices.Sort(samples[i])
			b.ReportMetric(samples[i][rounds/2], "ns/op")
			b.ReportMetric(samples[i][0], "least-ns")
		})
	}
}

// timed lets the guest measure itself: one run of enough operations per sample.
func timed(name, mode string, count int, prefix ...string) part {
	return part{name, func(b *testing.B) float64 {
		b.Helper()
		return number(b, output(b, append(prefix, guest(b), mode, strconv.Itoa(count))...))
	}}
}
