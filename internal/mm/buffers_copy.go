package mm

import "torov/internal/linux"

// CopyOut fills the buffers from src, for files that the VMM itself
// implements, and returns how many bytes there was room for. The caller still
// says Filled.
func (b *Buffers) CopyOut(src []byte) (int, linux.Errno) {
	return b.each(len(src), func(buf []byte, at int) { copy(buf, src[at:]) })
}

// CopyIn copies the buffers to dst and returns how many bytes it got.
func (b *Buffers) CopyIn(dst []byte) (int, linux.Errno) {
	return b.each(len(dst), func(buf []byte, at int) { copy(dst[at:], buf) })
}

// each hands out the first n bytes of the buffers with their offsets. A page
// that cannot be had, of a file that was cut, ends it: EFAULT if nothing was
// copied by then.
func (b *Buffers) each(n int, do func(buf []byte, at int)) (int, linux.Errno) {
	done := 0
	for _, buf := range b.Bufs {
		if done == n {
			break
		}
		buf = buf[:min(len(buf), n-done)]
		if !guarded(func() { do(buf, done) }) {
			if done == 0 {
				return 0, linux.EFAULT
			}
			break
		}
		done += len(buf)
	}
	return done, 0
}
