//go:build race

package mm

// raced: the race detector makes atomic accesses in C, where a fault cannot be
// recovered from: memory that somebody may cut off must not be accessed so.
const raced = true
