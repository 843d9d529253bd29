package trace

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// model is a buffer as it could be written without regard to memory.
type model struct {
	frames [][]byte
	used   int
}

func (m *model) add(size int, circular bool, point int, data []byte) bool {
	frame := binary.LittleEndian.AppendUint16(nil, uint16(point))
	frame = append(binary.LittleEndian.AppendUint32(frame, uint32(len(data))), data...)
	if len(frame) > size {
		return false
	}
	for circular && m.used+len(frame) > size {
		m.used -= len(m.frames[0])
		m.frames = m.frames[1:]
	}
	if m.used+len(frame) > size {
		return false
	}
	m.frames = append(m.frames, frame)
	m.used += len(frame)
	return true
}

func TestBufferIsARing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, circular := range []bool{false, true} {
		b, m := newBuffer(), &model{}
		b.circular = circular
		b.resize(200)
		for n := range 2000 {
			data := make([]byte, rnd.IntN(40))
			for i := range data {
				data[i] = byte(n + i)
			}
			point := 1 + rnd.IntN(1000)
			if got, want := b.add(point, data), m.add(200, circular, point, data); got != want {
				t.Fatalf("circular %v, frame %d: added %v, want %v", circular, n, got, want)
			}
			if b.frames != len(m.frames) || b.used != m.used {
				t.Fatalf("circular %v: %d frames in %d bytes, want %d in %d", circular, b.frames, b.used, len(m.frames), m.used)
			}
			for _, i := range []int{0, rnd.IntN(b.frames), b.frames - 1, rnd.IntN(b.frames)} {
				point, data, ok := b.frame(i)
				want := m.frames[i]
				if !ok || point != int(binary.LittleEndian.Uint16(want)) || !bytes.Equal(data, want[headerSize:]) {
					t.Fatalf("circular %v: frame %d is %d %x, want %x", circular, i, point, data, want)
				}
			}
		}
		if _, _, ok := b.frame(b.frames); ok {
			t.Error("a frame behind the last")
		}
		if _, _, ok := b.frame(-1); ok {
			t.Error("a frame before the first")
		}
		r := Recorder{buffer: b}
		var raw []byte
		for {
			part, ok := r.Raw(uint64(len(raw)), 7)
			if !ok {
				t.Fatal("no data where there is some")
			}
			if len(part) == 0 {
				break
			}
			raw = append(raw, part...)
		}
		if !bytes.Equal(raw, bytes.Join(m.frames, nil)) {
			t.Errorf("circular %v: read %x", circular, raw)
		}
		if _, ok := r.Raw(uint64(len(raw))+1, 1); ok {
			t.Error("data beyond the end")
		}
		b.clear()
		if _, _, ok := b.frame(0); ok || b.free() != 200 {
			t.Error("clear leaves something")
		}
	}
}
