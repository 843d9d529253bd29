package amd64

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"

	"torov/rsp"
)

const allFeatures = FeatureX87 | FeatureSSE | FeatureAVX | featureAVX512 | FeaturePKRU

// TestNumbers checks the numbers against GDB's description of Linux programs.
func TestNumbers(t *testing.T) {
	want := map[string]int{
		"rax": 0, "rbx": 1, "rcx": 2, "rdx": 3, "rsi": 4, "rdi": 5, "rbp": 6, "rsp": 7, "r8": 8, "r15": 15, "rip": 16, "eflags": 17,
		"cs": 18, "ss": 19, "ds": 20, "es": 21, "fs": 22, "gs": 23, "st0": 24, "st7": 31, "fctrl": 32, "fstat": 33, "ftag": 34,
		"fiseg": 35, "fioff": 36, "foseg": 37, "fooff": 38, "fop": 39, "xmm0": 40, "xmm15": 55, "mxcsr": 56, "orig_rax": 57,
		"fs_base": 58, "gs_base": 59, "ymm0h": 60, "ymm15h": 75, "xmm16": 76, "ymm16h": 92, "k0": 108, "k7": 115, "zmm0h": 116, "zmm31h": 147, "pkru": 148,
	}
	found := 0
	for i, r := range Describe(allFeatures).Registers() {
		if n, ok := want[r.Name]; ok {
			found++
			if r.Num != n {
				t.Errorf("%s is %d, want %d", r.Name, r.Num, n)
			}
		}
		if r.Num != i {
			t.Errorf("%s is %d at place %d", r.Name, r.Num, i)
		}
	}
	if found != len(want) {
		t.Errorf("%d of %d registers are described", found, len(want))
	}
}

func TestFeaturesFollowXCR0(t *testing.T) {
	for xcr0, want := range map[uint64]int{
		0: 4, FeatureX87 | FeatureSSE: 4, FeatureX87 | FeatureSSE | FeatureAVX: 5, FeatureAVX | FeatureOpmask: 5,
		FeatureAVX | FeaturePKRU: 6, FeatureAVX | featureAVX512: 6, allFeatures: 7,
	} {
		if got := len(Describe(xcr0).Features); got != want {
			t.Errorf("XCR0 %#x: %d features, want %d", xcr0, got, want)
		}
	}
}

func TestTypesAreDefinedBeforeUse(t *testing.T) {
	builtin := map[string]bool{
		"": true, "int": true, "int8": true, "int16": true, "int32": true, "int64": true, "uint32": true, "uint64": true, "uint128": true,
		"data_ptr": true, "code_ptr": true, "i387_ext": true, "ieee_single": true, "ieee_double": true,
	}
	for _, f := range Describe(allFeatures).Features {
		known := map[string]bool{}
		check := func(typ, user string) {
			if !builtin[typ] && !known[typ] {
				t.Errorf("%s: %s uses type %q", f.Name, user, typ)
			}
		}
		for _, typ := range f.Types {
			check(typ.Elem, typ.ID)
			for _, field := range typ.Fields {
				check(field.Type, typ.ID)
			}
			known[typ.ID] = true
		}
		for _, r := range f.Registers {
			check(r.Type, r.Name)
		}
	}
}

func newImage() XSave {
	return XSave{Image: make([]byte, 2696), Layout: IntelLayout}
}

// inImage reports whether an XSAVE image holds a register.
func inImage(r *rsp.Register) bool {
	return r.Num >= ST0 && r.Num <= MXCSR || r.Num >= YMM0H
}

func TestXSaveRoundTrip(t *testing.T) {
	x := newImage()
	rng := rand.New(rand.NewSource(1))
	values := map[int][]byte{}
	for _, r := range Describe(allFeatures).Registers() {
		v := make([]byte, r.Size())
		rng.Read(v)
		if r.Num >= FCTRL && r.Num <= FOP {
			copy(v, []byte{v[0], v[1] & 7, 0, 0})
		}
		if got := x.Write(r.Num, v); got != inImage(r) {
			t.Fatalf("%s: written: %v", r.Name, got)
		}
		values[r.Num] = v
	}
	for _, r := range Describe(allFeatures).Registers() {
		got := make([]byte, r.Size())
		if ok := x.Read(r.Num, got); ok != inImage(r) {
			t.Fatalf("%s: read: %v", r.Name, ok)
		}
		if inImage(r) && r.Num != FTAG && !bytes.Equal(got, values[r.Num]) {
			t.Errorf("%s: wrote %x, read %x", r.Name, values[r.Num], got)
		}
	}
}

func TestXSaveInitialState(t *testing.T) {
	x := newImage()
	for i := range x.Image {
		if i < 512 || i >= minSize {
			x.Image[i] = 0xaa // meaningless while XSTATE_BV is 0
		}
	}
	get := func(num, size int) uint64 {
		b := make([]byte, 8)
		if !x.Read(num, b[:size]) {
			t.Fatalf("register %d cannot be read", num)
		}
		return binary.LittleEndian.Uint64(b)
	}
	for num, want := range map[int]uint64{FCTRL: 0x37f, FSTAT: 0, FTAG: 0xffff, FOP: 0, FIOFF: 0, MXCSR: 0xaaaaaaaa} {
		if got := get(num, 4); got != want {
			t.Errorf("register %d is %#x, want %#x", num, got, want)
		}
	}
	for _, r := range Describe(allFeatures).Registers() {
		if !inImage(r) || r.Num >= FCTRL && r.Num <= FOP || r.Num == MXCSR {
			continue
		}
		got := bytes.Repeat([]byte{1}, r.Size())
		if x.Read(r.Num, got); !bytes.Equal(got, make([]byte, r.Size())) {
			t.Errorf("%s is %x", r.Name, got)
		}
	}
	// One register of a component becomes used: the others are still initial.
	for num, size := range map[int]int{XMM0 + 3: 16, YMM0H + 3: 16, K0 + 1: 8, ZMM0H + 2: 32, XMM16: 16, ST0 + 1: 10} {
		v := bytes.Repeat([]byte{7}, size)
		if !x.Write(num, v) {
			t.Fatalf("register %d cannot be written", num)
		}
		got := make([]byte, size)
		if x.Read(num, got); !bytes.Equal(got, v) {
			t.Errorf("register %d: wrote %x, read %x", num, v, got)
		}
		if x.Read(num+1, got); !bytes.Equal(got, make([]byte, size)) {
			t.Errorf("register %d became %x", num+1, got)
		}
	}
	if got := get(FCTRL, 4); got != 0x37f {
		t.Errorf("fctrl became %#x", got)
	}
	if got := get(MXCSR, 4); got != 0xaaaaaaaa {
		t.Errorf("mxcsr became %#x", got)
	}
}

func TestTagWord(t *testing.T) {
	x := newImage()
	x.use(FeatureX87)
	one := []byte{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f}
	zero := make([]byte, 10)
	infinity := []byte{0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x7f}
	denormal := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	// Three values pushed: the top of the stack is physical register 4.
	binary.LittleEndian.PutUint16(x.Image[offFSW:], 4<<11)
	x.Image[offFTW] = 0xf0
	for i, v := range [][]byte{one, zero, infinity, denormal} {
		x.Write(ST0+i, v)
	}
	got := make([]byte, 4)
	x.Read(FTAG, got)
	want := uint32(tagEmpty | tagEmpty<<2 | tagEmpty<<4 | tagEmpty<<6 | tagValid<<8 | tagZero<<10 | tagSpecial<<12 | tagSpecial<<14)
	if tag := binary.LittleEndian.Uint32(got); tag != want {
		t.Errorf("tag word %#x, want %#x", tag, want)
	}
	x.Image[offFTW] = 0
	if x.Write(FTAG, got); x.Image[offFTW] != 0xf0 {
		t.Errorf("abridged tag %#x", x.Image[offFTW])
	}
}

func TestXSaveRefuses(t *testing.T) {
	x := newImage()
	if x.Read(RAX, make([]byte, 8)) || x.Write(FSBase, make([]byte, 8)) {
		t.Error("an image does not hold general registers")
	}
	if x.Read(XMM0, make([]byte, 8)) || x.Write(XMM0, make([]byte, 17)) || x.Write(FCTRL, make([]byte, 2)) || x.Read(-1, nil) || x.Read(1<<30, nil) {
		t.Error("sizes are not checked")
	}
	absent := XSave{Image: make([]byte, 2696)}
	for _, num := range []int{K0, K0 + 7, ZMM0H, ZMM0H + 20, XMM16, YMM16H + 15, PKRU} {
		size := 8
		switch {
		case num == PKRU:
			size = 4
		case num >= ZMM0H:
			size = 32
		case num < K0:
			size = 16
		}
		if absent.Read(num, make([]byte, size)) || absent.Write(num, make([]byte, size)) {
			t.Errorf("register %d is in an image without its component", num)
		}
	}
	for _, n := range []int{0, 512, 575, 576, 831} {
		small := XSave{Image: make([]byte, n), Layout: IntelLayout}
		if small.Read(YMM0H+15, make([]byte, 16)) || small.Write(YMM0H+15, make([]byte, 16)) || small.Read(PKRU, make([]byte, 4)) {
			t.Errorf("an image of %d bytes has no such register", n)
		}
		small.Write(XMM0, make([]byte, 16)) // must not panic
		small.Write(K0, make([]byte, 8))
	}
}
