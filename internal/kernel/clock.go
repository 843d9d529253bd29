package kernel

import (
	"math"

	"golang.org/x/sys/unix"
)

// Clock is where time comes in, so that it can be recorded or faked in one
// place.
type Clock struct{}

// Never is a deadline that does not come.
const Never = math.MaxInt64

// Now reads a clock of clock_gettime(2), in nanoseconds.
func (*Clock) Now(id int32) (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, err
	}
	return ts.Nano(), nil
}

// Monotonic reads CLOCK_MONOTONIC, on which deadlines are.
func (c *Clock) Monotonic() int64 {
	ns, _ := c.Now(unix.CLOCK_MONOTONIC) // cannot fail: every Linux has it
	return ns
}

// bootTime reads CLOCK_BOOTTIME, in nanoseconds.
func (c *Clock) bootTime() int64 {
	ns, _ := c.Now(unix.CLOCK_BOOTTIME) // cannot fail: every Linux has it
	return ns
}

// After returns the deadline ns nanoseconds from now; a negative or huge ns
// is Never.
func (c *Clock) After(ns int64) int64 {
	now := c.Monotonic()
	if ns < 0 || ns > Never-now {
		return Never
	}
	return now + ns
}
