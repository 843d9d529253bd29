package mm

import (
	"slices"
	"sort"
)

// extent is a range of guest-physical memory.
type extent struct{ start, size uint64 }

func (e extent) end() uint64 { return e.start + e.size }

// extents are sorted and do not overlap.
type extents []extent

// from returns the index of the first extent that ends after a.
func (x extents) from(a uint64) int {
	return sort.Search(len(x), func(i int) bool { return x[i].end() > a })
}

// insert adds a range as an extent of its own.
func (x *extents) insert(start, size uint64) {
	*x = slices.Insert(*x, x.from(start), extent{start, size})
}

// join adds a range and makes it one with its neighbours where they touch.
func (x *extents) join(start, size uint64) {
	if size == 0 {
		return
	}
	i := x.from(start)
	if i > 0 && (*x)[i-1].end() == start {
		i--
		(*x)[i].size += size
	} else {
		*x = slices.Insert(*x, i, extent{start, size})
	}
	if next := i + 1; next < len(*x) && (*x)[i].end() == (*x)[next].start {
		(*x)[i].size += (*x)[next].size
		*x = slices.Delete(*x, next, next+1)
	}
}

// remove takes a range out, wherever it is in.
func (x *extents) remove(start, size uint64) {
	end := start + size
	i := x.from(start)
	j := i
	var rest []extent
	for ; j < len(*x) && (*x)[j].start < end; j++ {
		if e := (*x)[j]; e.start < start {
			rest = append(rest, extent{e.start, start - e.start})
		}
		if e := (*x)[j]; e.end() > end {
			rest = append(rest, extent{end, e.end() - end})
		}
	}
	*x = slices.Replace(*x, i, j, rest...)
}

// splits reports whether remove would leave more extents than there are.
func (x extents) splits(start, size uint64) bool {
	i := x.from(start)
	return i < len(x) && x[i].start < start && x[i].end() > start+size
}
