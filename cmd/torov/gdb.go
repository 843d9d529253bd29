package main

import "torov/internal/kernel"

type debugger struct{}

func (*debugger) close() {}

func (s *setup) debugger(k *kernel.Kernel) (*debugger, error) { return &debugger{}, nil }
