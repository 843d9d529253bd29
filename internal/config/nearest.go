package config

import "strings"

// Nearest returns the candidate that name was most likely meant to be, or ""
// when none is near. Case does not count; the earlier of two equally near
// candidates wins.
func Nearest(name string, candidates []string) string {
	name = strings.ToLower(name)
	if len(name) > 64 { // not a slip of the finger; keep the work bounded
		return ""
	}
	best, limit := "", min(len(name)/3+2, len(name))
	for _, c := range candidates {
		if d := distance(name, strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: the number of letters
// inserted, removed, replaced or exchanged with their neighbour.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
