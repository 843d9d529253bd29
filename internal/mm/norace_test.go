//go:build !race

package mm

const raced = false
