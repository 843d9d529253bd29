package main

import (
	"slices"
	"testing"

	"torov/internal/kernel"
	"torov/rsp"
)

func TestChangedEnv(t *testing.T) {
	env := []string{"A=1", "B=2", "AB=3"}
	for _, c := range []struct {
		changes []rsp.EnvChange
		want    []string
	}{
		{nil, []string{"A=1", "B=2", "AB=3"}},
		{[]rsp.EnvChange{{Name: "A", Value: "x=y"}}, []string{"B=2", "AB=3", "A=x=y"}},
		{[]rsp.EnvChange{{Unset: true, Name: "A"}, {Name: "C"}}, []string{"B=2", "AB=3", "C="}},
		{[]rsp.EnvChange{{Unset: true, Name: "A"}, {Reset: true}, {Name: "D", Value: "4"}}, []string{"A=1", "B=2", "AB=3", "D=4"}},
	} {
		if got := changedEnv(env, c.changes); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.changes, got, c.want)
		}
	}
}

func TestHostPath(t *testing.T) {
	host := &setup{}
	jail := &setup{root: "/srv/jail", mounts: []kernel.Mount{{Source: "/data", Target: "/mnt"}, {Source: "/other", Target: "/mnt/deep"}}}
	for _, c := range []struct {
		s              *setup
		path, dir, rel string
	}{
		{host, "/bin/true", "", "/bin/true"},
		{host, "x", "", "x"},
		{jail, "/bin/true", "/srv/jail", "bin/true"},
		{jail, "bin/true", "/srv/jail", "bin/true"},
		{jail, "/../../etc/passwd", "/srv/jail", "etc/passwd"},
		{jail, "/mnt/x", "/data", "x"},
		{jail, "/mnt/../etc/x", "/srv/jail", "etc/x"},
		{jail, "/mnt/deep/er/x", "/other", "er/x"},
		{jail, "/mntx", "/srv/jail", "mntx"},
		{&setup{mounts: jail.mounts}, "/mnt/x", "/data", "x"},
		{&setup{mounts: jail.mounts}, "/bin/x", "/", "bin/x"},
	} {
		if dir, rel := c.s.hostPath(c.path); dir != c.dir || rel != c.rel {
			t.Errorf("%s is %s in %q, want %s in %q", c.path, rel, dir, c.rel, c.dir)
		}
	}
}

func TestChanged(t *testing.T) {
	s := &setup{path: "/srv/p", guestPath: "/p", args: []string{"p", "one"}}
	for _, c := range []struct {
		l    rsp.Launch
		path string
		args []string
	}{
		{rsp.Launch{}, "/srv/p", []string{"p", "one"}},
		{rsp.Launch{Args: []string{"two"}}, "/srv/p", []string{"p", "two"}},
		{rsp.Launch{Path: "/p"}, "/srv/p", []string{"p"}},
		{rsp.Launch{Path: "/q", Args: []string{"x"}}, "/q", []string{"/q", "x"}},
	} {
		got, err := s.changed(c.l)
		if err != nil || got.path != c.path || !slices.Equal(got.args, c.args) {
			t.Errorf("%+v: %s %q, %v", c.l, got.path, got.args, err)
		}
	}
	if _, err := (&setup{}).changed(rsp.Launch{}); err == nil {
		t.Error("there is no program, and no error")
	}
}
