package kernel

type timers struct{}

func (*timers) stop() {}
