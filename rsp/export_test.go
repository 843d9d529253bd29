package rsp

import (
	"maps"
	"slices"
)

// PacketNames are the names of all packets that are served.
func PacketNames() []string { return slices.Sorted(maps.Keys(packets())) }

// SplitName finds the name of a packet.
func SplitName(p string) string {
	name, _ := splitName([]byte(p))
	return name
}
