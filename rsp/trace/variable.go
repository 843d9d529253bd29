package trace

import (
	"fmt"
	"slices"
)

// timestampVariable is the number of $trace_timestamp: microseconds since 1970.
const timestampVariable = 1

// Variables returns the trace state variables, in the order of definition.
func (r *Recorder) Variables() []*Variable { return r.variables }

func (r *Recorder) variable(number int) *Variable {
	i := slices.IndexFunc(r.variables, func(v *Variable) bool { return v.Number == number })
	if i < 0 {
		return nil
	}
	return r.variables[i]
}

// SetInitial defines a variable, or gives it another initial value; either way
// that is its value now.
func (r *Recorder) SetInitial(v Variable) error {
	v.Value = v.Initial
	old := r.variable(v.Number)
	switch {
	case old != nil && old.Builtin:
		// A client that has uploaded it defines it again. It stays what it is.
	case old != nil:
		*old = v
	case len(r.variables) >= maxVariables:
		return fmt.Errorf("more than %d trace state variables", maxVariables)
	default:
		v.Builtin = false
		r.variables = append(r.variables, &v)
	}
	return nil
}

// Variable implements agent.Variables. One that is not defined is 0.
func (r *Recorder) Variable(number int) int64 {
	v := r.variable(number)
	switch {
	case v == nil:
		return 0
	case v.Builtin:
		return r.Now().UnixMicro()
	}
	return v.Value
}

// SetVariable implements agent.Variables.
func (r *Recorder) SetVariable(number int, value int64) {
	if v := r.variable(number); v != nil && !v.Builtin {
		v.Value = value
	}
}
