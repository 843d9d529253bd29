package amd64

import (
	"fmt"

	"torov/rsp"
)

// Describe returns the registers of a processor whose XCR0 has the given
// value: the core, SSE, orig_rax and the segment bases always, the rest as
// XCR0 allows.
func Describe(xcr0 uint64) *rsp.Description {
	d := &rsp.Description{
		Architecture: "i386:x86-64",
		OSABI:        "GNU/Linux",
		Features:     []rsp.Feature{core(), sse(), linux(), segments()},
	}
	if xcr0&FeatureAVX != 0 {
		d.Features = append(d.Features, avx())
	}
	if xcr0&featureAVX512 == featureAVX512 {
		d.Features = append(d.Features, avx512())
	}
	if xcr0&FeaturePKRU != 0 {
		d.Features = append(d.Features, pkeys())
	}
	return d
}

// run returns n registers that differ in name and number only; format takes
// the index.
func run(n, num int, format string, first, bits int, typ, group string) []rsp.Register {
	regs := make([]rsp.Register, n)
	for i := range regs {
		regs[i] = rsp.Register{Name: fmt.Sprintf(format, first+i), Bits: bits, Num: num + i, Type: typ, Group: group}
	}
	return regs
}

// bit is a one-bit field of a flags type.
func bit(name string, n int) rsp.Field { return rsp.Field{Name: name, Start: n, End: n} }

func core() rsp.Feature {
	regs := []rsp.Register{
		{Name: "rax", Bits: 64, Num: RAX, Type: "int64"},
		{Name: "rbx", Bits: 64, Num: RBX, Type: "int64"},
		{Name: "rcx", Bits: 64, Num: RCX, Type: "int64", Generic: "arg4", AltName: "arg4"},
		{Name: "rdx", Bits: 64, Num: RDX, Type: "int64", Generic: "arg3", AltName: "arg3"},
		{Name: "rsi", Bits: 64, Num: RSI, Type: "int64", Generic: "arg2", AltName: "arg2"},
		{Name: "rdi", Bits: 64, Num: RDI, Type: "int64", Generic: "arg1", AltName: "arg1"},
		{Name: "rbp", Bits: 64, Num: RBP, Type: "data_ptr", Generic: "fp", AltName: "fp"},
		{Name: "rsp", Bits: 64, Num: RSP, Type: "data_ptr", Generic: "sp", AltName: "sp"},
		{Name: "r8", Bits: 64, Num: R8, Type: "int64", Generic: "arg5", AltName: "arg5"},
		{Name: "r9", Bits: 64, Num: R9, Type: "int64", Generic: "arg6", AltName: "arg6"},
	}
	regs = append(regs, run(6, R10, "r%d", 10, 64, "int64", "")...)
	regs = append(regs,
		rsp.Register{Name: "rip", Bits: 64, Num: RIP, Type: "code_ptr", Generic: "pc", AltName: "pc"},
		rsp.Register{Name: "eflags", Bits: 32, Num: EFLAGS, Type: "i386_eflags", Generic: "flags", AltName: "flags"})
	for i, name := range []string{"cs", "ss", "ds", "es", "fs", "gs"} {
		regs = append(regs, rsp.Register{Name: name, Bits: 32, Num: CS + i, Type: "int32"})
	}
	regs = append(regs, run(8, ST0, "st%d", 0, 80, "i387_ext", "")...)
	for i, name := range []string{"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"} {
		regs = append(regs, rsp.Register{Name: name, Bits: 32, Num: FCTRL + i, Type: "int", Group: "float"})
	}
	return rsp.Feature{
		Name: "org.gnu.gdb.i386.core",
		Types: []rsp.Type{{ID: "i386_eflags", Kind: rsp.FlagsType, Size: 4, Fields: []rsp.Field{
			bit("CF", 0), bit("", 1), bit("PF", 2), bit("AF", 4), bit("ZF", 6), bit("SF", 7), bit("TF", 8),
			bit("IF", 9), bit("DF", 10), bit("OF", 11), bit("NT", 14), bit("RF", 16), bit("VM", 17),
			bit("AC", 18), bit("VIF", 19), bit("VIP", 20), bit("ID", 21),
		}}},
		Registers: regs,
	}
}

// vec128 is the union GDB shows for a 128-bit vector register, with the
// vectors it is made of. GDB looks types up within a feature only.
func vec128() []rsp.Type {
	return []rsp.Type{
		{ID: "v4f", Kind: rsp.VectorType, Elem: "ieee_single", Count: 4},
		{ID: "v2d", Kind: rsp.VectorType, Elem: "ieee_double", Count: 2},
		{ID: "v16i8", Kind: rsp.VectorType, Elem: "int8", Count: 16},
		{ID: "v8i16", Kind: rsp.VectorType, Elem: "int16", Count: 8},
		{ID: "v4i32", Kind: rsp.VectorType, Elem: "int32", Count: 4},
		{ID: "v2i64", Kind: rsp.VectorType, Elem: "int64", Count: 2},
		{ID: "vec128", Kind: rsp.UnionType, Fields: []rsp.Field{
			{Name: "v4_float", Type: "v4f"}, {Name: "v2_double", Type: "v2d"},
			{Name: "v16_int8", Type: "v16i8"}, {Name: "v8_int16", Type: "v8i16"},
			{Name: "v4_int32", Type: "v4i32"}, {Name: "v2_int64", Type: "v2i64"},
			{Name: "uint128", Type: "uint128"},
		}},
	}
}

func sse() rsp.Feature {
	mxcsr := rsp.Type{ID: "i386_mxcsr", Kind: rsp.FlagsType, Size: 4, Fields: []rsp.Field{
		bit("IE", 0), bit("DE", 1), bit("ZE", 2), bit("OE", 3), bit("UE", 4), bit("PE", 5), bit("DAZ", 6),
		bit("IM", 7), bit("DM", 8), bit("ZM", 9), bit("OM", 10), bit("UM", 11), bit("PM", 12), bit("FZ", 15),
	}}
	return rsp.Feature{
		Name:  "org.gnu.gdb.i386.sse",
		Types: append(vec128(), mxcsr),
		Registers: append(run(16, XMM0, "xmm%d", 0, 128, "vec128", ""),
			rsp.Register{Name: "mxcsr", Bits: 32, Num: MXCSR, Type: "i386_mxcsr", Group: "vector"}),
	}
}

func linux() rsp.Feature {
	return rsp.Feature{Name: "org.gnu.gdb.i386.linux", Registers: []rsp.Register{
		{Name: "orig_rax", Bits: 64, Num: OrigRAX, Type: "int", Group: "system"},
	}}
}

func segments() rsp.Feature {
	return rsp.Feature{Name: "org.gnu.gdb.i386.segments", Registers: []rsp.Register{
		{Name: "fs_base", Bits: 64, Num: FSBase, Type: "int", Generic: "tp"},
		{Name: "gs_base", Bits: 64, Num: GSBase, Type: "int"},
	}}
}

func avx() rsp.Feature {
	return rsp.Feature{Name: "org.gnu.gdb.i386.avx", Registers: run(16, YMM0H, "ymm%dh", 0, 128, "uint128", "")}
}

func avx512() rsp.Feature {
	regs := run(16, XMM16, "xmm%d", 16, 128, "vec128", "")
	regs = append(regs, run(16, YMM16H, "ymm%dh", 16, 128, "uint128", "")...)
	regs = append(regs, run(8, K0, "k%d", 0, 64, "uint64", "")...)
	regs = append(regs, run(32, ZMM0H, "zmm%dh", 0, 256, "v2ui128", "")...)
	return rsp.Feature{
		Name:      "org.gnu.gdb.i386.avx512",
		Types:     append(vec128(), rsp.Type{ID: "v2ui128", Kind: rsp.VectorType, Elem: "uint128", Count: 2}),
		Registers: regs,
	}
}

func pkeys() rsp.Feature {
	return rsp.Feature{Name: "org.gnu.gdb.i386.pkeys", Registers: []rsp.Register{
		{Name: "pkru", Bits: 32, Num: PKRU, Type: "uint32"},
	}}
}
