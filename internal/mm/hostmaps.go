package mm

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Linux lets a process have vm.max_map_count mappings. A file that the program
// maps is a mapping of the VMM's, and splits the one around it. If the program
// could use them all up, Go's heap could not grow and the VMM would die.
const (
	defaultMaxMaps = 65530
	reservedMaps   = 8192 // for the VMM itself and for splits that are undone
)

var errTooManyMaps = fmt.Errorf("the program maps too many files: %w", unix.ENOMEM)

// hostMaps bounds the VMM's mappings from above; what is there really is only
// counted when the bound reaches the limit.
type hostMaps struct {
	mu    sync.Mutex
	bound int
	limit int
}

// split announces that a mapping may become three; false if there is no room.
func (h *hostMaps) split() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limit == 0 {
		h.limit = defaultMaxMaps - reservedMaps
		h.bound = reservedMaps / 2
	}
	if h.bound += 2; h.bound < h.limit {
		return true
	}
	h.limit = maxMaps() - reservedMaps
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		h.bound = bytes.Count(maps, []byte{'\n'}) + 2
	}
	return h.bound < h.limit
}

func maxMaps() int {
	text, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if n, parseErr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && parseErr == nil {
		return n
	}
	return defaultMaxMaps
}
