// Package arch holds the tests that keep the tree what docs/design.md says it
// is. It has no code.
package arch
