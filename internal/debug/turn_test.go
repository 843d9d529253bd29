package debug

import (
	"fmt"
	"testing"

	"torov/rsp"
)

func TestInTurn(t *testing.T) {
	var order []*thread
	for tid := range rsp.TID(3) {
		order = append(order, &thread{id: rsp.ThreadID{PID: 1, TID: 1 + tid}})
	}
	for last, want := range []string{"123", "231", "312", "123", "123"} {
		got := ""
		for _, th := range inTurn(order, rsp.ThreadID{PID: 1, TID: rsp.TID(last)}) {
			got += fmt.Sprint(th.id.TID)
		}
		if got != want {
			t.Errorf("after %d: %s, want %s", last, got, want)
		}
	}
	if got := inTurn(nil, rsp.ThreadID{}); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}
