package rsp

import "sync"

// crcTable is the table of GDB's CRC-32. It is not hash/crc32's: that one
// reflects its bits.
var crcTable = sync.OnceValue(func() *[256]uint32 {
	const polynomial = 0x04c11db7
	var table [256]uint32
	for i := range table {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ polynomial
			} else {
				c <<= 1
			}
		}
		table[i] = c
	}
	return &table
})
