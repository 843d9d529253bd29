package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// deliver takes one pending signal and acts on it; false when there is none,
// and the thread may go on in the program.
func (t *Thread) deliver() bool {
	info, ok := t.TakeSignal(^t.Blocked())
	if !ok {
		t.resumeCall(nil)
		if t.savedMask != nil {
			t.SetBlocked(*t.savedMask)
			t.savedMask = nil
		}
		return false
	}
	info = t.trace(Event{Kind: EventSignal, Info: info})
	s := info.Signal()
	if s == 0 || t.Dying() {
		return true
	}
	if s == linux.SIGKILL {
		t.Proc.Kill(s)
		return true
	}
	action := t.Proc.Action(s)
	switch action.Handler {
	case linux.SIG_IGN:
		return true
	case linux.SIG_DFL:
		t.defaultAction(s)
		return true
	}
	t.resumeCall(&action)
	if !t.enterHandler(info, action) {
		// The frame does not fit on the stack: nobody can handle that.
		t.Proc.SetAction(linux.SIGSEGV, linux.SigAction{})
		t.Force(linux.KernelInfo(linux.SIGSEGV))
		return true
	}
	if action.Flags&linux.SA_RESETHAND != 0 {
		t.Proc.SetAction(s, linux.SigAction{})
	}
	return true
}

func (t *Thread) defaultAction(s linux.Signal) {
	switch s.DefaultAction() {
	case linux.ActionIgnore, linux.ActionContinue:
	case linux.ActionStop:
		if t.Proc.hasParent() {
			t.Proc.stopBy(s)
			return
		}
		// The program is this process to everybody outside: stop it, and the
		// shell that started it sees what it would see of the program.
		_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	default:
		t.Proc.Kill(s)
	}
}

// Restarting reports whether the thread is in a system call that will be made
// again, or fail with EINTR, before the program goes on.
func (t *Thread) Restarting() bool { return t.restartPending() }

// restartPending reports whether RAX holds one of the internal restart codes.
func (t *Thread) restartPending() bool {
	switch linux.Errno(-t.Regs().RAX) {
	case linux.ERESTARTSYS, linux.ERESTARTNOINTR, linux.ERESTARTNOHAND, linux.ERESTART_RESTARTBLOCK:
		return t.OrigRAX >= 0 && int64(t.Regs().RAX) < 0 && -t.Regs().RAX <= linux.MaxErrno
	}
	return false
}

// resumeCall turns a restart code into EINTR or a new execution of the system
// call; action is that of the handler about to run, nil if none does
// (arch_do_signal_or_restart).
func (t *Thread) resumeCall(action *linux.SigAction) {
	if !t.restartPending() {
		return
	}
	r := t.Regs()
	nr := uint64(t.OrigRAX)
	t.OrigRAX = -1
	errno := linux.Errno(-r.RAX)
	again := true
	if action != nil {
		again = errno == linux.ERESTARTNOINTR || errno == linux.ERESTARTSYS && action.Flags&linux.SA_RESTART != 0
	}
	switch {
	case !again:
		r.RAX = linux.EINTR.Result()
		t.restart = nil
		return
	case errno == linux.ERESTART_RESTARTBLOCK:
		nr = unix.SYS_RESTART_SYSCALL
	}
	r.RAX = nr
	r.RIP -= t.callSize
}

// altStackActive reports whether sp is on the alternate signal stack.
func (t *Thread) altStackActive(sp uint64) bool {
	s := t.AltStack
	return s.Flags&linux.SS_DISABLE == 0 && sp > s.SP && sp-s.SP <= s.Size
}

// AltStackFlags is the ss_flags that sigaltstack(2) reports.
func (t *Thread) AltStackFlags() int32 {
	switch {
	case t.AltStack.Size == 0 || t.AltStack.Flags&linux.SS_DISABLE != 0:
		return linux.SS_DISABLE
	case t.altStackActive(t.Regs().RSP):
		return linux.SS_ONSTACK | t.AltStack.Flags&^3
	}
	return t.AltStack.Flags &^ 3
}

// enterHandler pushes a signal frame and points the registers at the handler
// (setup_rt_frame). False if the stack cannot take the frame.
func (t *Thread) enterHandler(info linux.SigInfo, action linux.SigAction) bool {
	r := t.Regs()
	if action.Flags&linux.SA_RESTORER == 0 {
		return false // x86-64 has no other way back
	}
	fpu, err := t.CPU.XSave()
	if err != nil {
		t.Kernel().fail(t, err)
		return true
	}
	sp := r.RSP - linux.RedZone
	onStack := t.altStackActive(r.RSP)
	entering := action.Flags&linux.SA_ONSTACK != 0 && !onStack && t.AltStackFlags()&linux.SS_DISABLE == 0
	if entering {
		sp = t.AltStack.SP + t.AltStack.Size
	}
	fpAddr := (sp - uint64(len(fpu)) - linux.FP_XSTATE_MAGIC2_SIZE) &^ 63
	frameAddr := (fpAddr-uint64(linux.Size[linux.RTSigFrame]()))&^15 - 8
	if (entering || onStack) && frameAddr < t.AltStack.SP || frameAddr > sp {
		return false
	}
	mask := t.Blocked()
	if t.savedMask != nil {
		mask, t.savedMask = *t.savedMask, nil
	}
	frame := linux.RTSigFrame{Restorer: action.Restorer, Info: info}
	frame.UContext = linux.UContext{
		Flags:   linux.UC_SIGCONTEXT_SS | linux.UC_STRICT_RESTORE_SS,
		Stack:   linux.Stack{SP: t.AltStack.SP, Flags: t.AltStackFlags(), Size: t.AltStack.Size},
		SigMask: mask,
	}
	frame.UContext.MContext = t.sigContext(fpAddr)
	fpu = markXSave(fpu, t.Kernel().machine.XFeatures(), &frame.UContext)
	if _, errno := t.Proc.AS().CopyOut(engine.GVA(fpAddr), fpu); errno != 0 {
		return false
	}
	if errno := mm.Write(t.Proc.AS(), engine.GVA(frameAddr), frame); errno != 0 {
		return false
	}
	if uint32(t.AltStack.Flags)&linux.SS_AUTODISARM != 0 && entering {
		t.AltStack = linux.Stack{Flags: linux.SS_DISABLE}
	}
	next := t.Blocked() | action.Mask // inside sigsuspend the temporary mask counts
	if action.Flags&linux.SA_NODEFER == 0 {
		next.Add(info.Signal())
	}
	t.SetBlocked(next)
	r.RDI, r.RSI, r.RDX = uint64(info.Signo), frameAddr+linux.RTSigFrameInfo, frameAddr+linux.RTSigFrameUContext
	r.RAX, r.RIP, r.RSP = 0, action.Handler, frameAddr
	r.RFLAGS &^= engine.FlagDF | engine.FlagRF | engine.FlagTF
	t.OrigRAX = -1
	if err := t.CPU.SetXSave(initialFPU(len(fpu))); err != nil {
		t.Kernel().fail(t, err)
	}
	return true
}

// initialFPU is the state a handler starts with (fpu__clear_user_states).
func initialFPU(size int) []byte {
	b := make([]byte, size)
	b[0], b[1] = 0x7f, 0x03   // FCW
	b[24], b[25] = 0x80, 0x1f // MXCSR
	return b
}

// markXSave adds the words by which programs, and sigreturn, know that the
// image is more than FXSAVE's.
func markXSave(image []byte, features uint64, uc *linux.UContext) []byte {
	if features == 0 || len(image) <= linux.FXSaveSize {
		return image
	}
	uc.Flags |= linux.UC_FP_XSTATE
	sw := linux.FPXSwBytes{
		Magic1: linux.FP_XSTATE_MAGIC1, ExtendedSize: uint32(len(image) + linux.FP_XSTATE_MAGIC2_SIZE),
		XFeatures: features, XStateSize: uint32(len(image)),
	}
	copy(image[linux.FPXSwBytesOffset:], linux.Bytes(&sw))
	return append(image, le32(linux.FP_XSTATE_MAGIC2)...)
}

func (t *Thread) sigContext(fp uint64) linux.SigContext {
	r := t.Regs()
	return linux.SigContext{
		R8: r.R8, R9: r.R9, R10: r.R10, R11: r.R11, R12: r.R12, R13: r.R13, R14: r.R14, R15: r.R15,
		RDI: r.RDI, RSI: r.RSI, RBP: r.RBP, RBX: r.RBX, RDX: r.RDX, RAX: r.RAX, RCX: r.RCX, RSP: r.RSP,
		RIP: r.RIP, RFLAGS: r.RFLAGS, CS: 0x33, SS: 0x2b,
		Err: t.fault.code, TrapNo: t.fault.vector, CR2: t.fault.cr2, OldMask: uint64(t.Blocked()), FPState: fp,
	}
}

// SigReturn is rt_sigreturn(2): it undoes enterHandler with what the handler
// left in the frame.
func (t *Thread) SigReturn() linux.Errno {
	r := t.Regs()
	frame, errno := mm.Read[linux.RTSigFrame](t.Proc.AS(), engine.GVA(r.RSP-8))
	if errno != 0 {
		t.Force(linux.KernelInfo(linux.SIGSEGV))
		return linux.EJUSTRETURN
	}
	uc, m := &frame.UContext, &frame.UContext.MContext
	*r = engine.Regs{
		RAX: m.RAX, RBX: m.RBX, RCX: m.RCX, RDX: m.RDX, RSI: m.RSI, RDI: m.RDI, RSP: m.RSP, RBP: m.RBP,
		R8: m.R8, R9: m.R9, R10: m.R10, R11: m.R11, R12: m.R12, R13: m.R13, R14: m.R14, R15: m.R15, RIP: m.RIP,
		// FIX_EFLAGS: what sigreturn may change.
		RFLAGS: r.RFLAGS&^sigreturnFlags | m.RFLAGS&sigreturnFlags,
	}
	t.SetBlocked(uc.SigMask)
	t.OrigRAX = -1
	t.restoreAltStack(uc.Stack)
	if !t.restoreFPU(engine.GVA(m.FPState)) {
		t.Force(linux.KernelInfo(linux.SIGSEGV))
	}
	return linux.EJUSTRETURN
}

// sigreturnFlags is Linux's FIX_EFLAGS: AC OF DF TF SF ZF AF PF CF RF.
const sigreturnFlags = 0x50dd5

func (t *Thread) restoreAltStack(s linux.Stack) {
	if uint32(s.Flags)&^(linux.SS_ONSTACK|linux.SS_DISABLE|linux.SS_AUTODISARM) != 0 || t.altStackActive(t.Regs().RSP) {
		return
	}
	if s.Flags&linux.SS_DISABLE != 0 {
		t.AltStack = linux.Stack{Flags: linux.SS_DISABLE}
	} else if s.Size >= linux.MINSIGSTKSZ {
		t.AltStack = linux.Stack{SP: s.SP, Flags: s.Flags &^ linux.SS_ONSTACK, Size: s.Size}
	}
}

func (t *Thread) restoreFPU(at engine.GVA) bool {
	if at == 0 {
		return t.setFPU(initialFPU(linux.FXSaveSize + linux.XSaveHeaderSize))
	}
	image := make([]byte, linux.FXSaveSize, 4096)
	if _, errno := t.Proc.AS().CopyIn(image, at); errno != 0 {
		return false
	}
	sw, _ := linux.Decode[linux.FPXSwBytes](image[linux.FPXSwBytesOffset:])
	size := t.Kernel().machine.XSaveSize()
	if sw.Magic1 == linux.FP_XSTATE_MAGIC1 && int(sw.XStateSize) <= size && int(sw.XStateSize) >= linux.FXSaveSize+linux.XSaveHeaderSize {
		image = image[:sw.XStateSize]
		if _, errno := t.Proc.AS().CopyIn(image, at); errno != 0 {
			return false
		}
	} else {
		// FXSAVE's part alone: x87 and SSE are in it, the rest is initial.
		image = image[:linux.FXSaveSize+linux.XSaveHeaderSize]
		clear(image[linux.FXSaveSize:])
		image[linux.FXSaveSize] = 3
	}
	return t.setFPU(image)
}

func (t *Thread) setFPU(image []byte) bool {
	if err := t.CPU.SetXSave(image); err != nil {
		t.Kernel().fail(t, err)
	}
	return true
}
