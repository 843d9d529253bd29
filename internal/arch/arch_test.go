package arch

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// may lists, for each package, what of torov it may import. A package that is
// not here fails the test: it needs a place in the picture first.
var may = map[string][]string{
	"kvm":                     nil,
	"rsp":                     {"rsp/agent", "rsp/trace"},
	"rsp/agent":               nil,
	"rsp/trace":               {"rsp/agent"},
	"rsp/amd64":               {"rsp"},
	"rsp/internal/toy":        {"rsp", "rsp/agent", "rsp/amd64", "rsp/trace"},
	"rsp/example":             {"rsp", "rsp/amd64"},
	"rsp/internal/toy/toygdb": {"rsp", "rsp/internal/toy"},
	"internal/arch":           nil,
	"internal/config":         nil,
	"internal/engine":         nil,
	"internal/linux":          nil,
	"internal/loader":         {"internal/engine", "internal/linux"},
	"internal/mm":             {"internal/engine", "internal/linux"},
	"internal/engine/kvmcpu":  {"internal/engine", "internal/mm", "kvm"},
	"internal/engine/fake":    {"internal/engine", "internal/mm"},
	"internal/kernel":         {"internal/engine", "internal/mm", "internal/loader", "internal/linux"},
	"internal/syscalls":       {"internal/engine", "internal/mm", "internal/kernel", "internal/linux"},
	"internal/debug":          {"internal/engine", "internal/mm", "internal/kernel", "internal/linux", "rsp", "rsp/agent", "rsp/amd64", "rsp/trace"},
	"cmd/torov":               {"*"},
	"test":                    nil,
	"test/bench":              {"kvm", "internal/engine", "internal/engine/kvmcpu", "internal/mm"},
	"scripts/suitetable":      nil,
	"scripts/testsum":         nil,
}

// goFiles calls f for every Go file of the repository but those of guest
// programs, which are not torov's.
func goFiles(t *testing.T, f func(pkg, path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch {
			case d.Name() == "testdata", rel == "build", rel == "bin", rel == ".git", rel == "examples", rel == "test/programs":
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			f(filepath.ToSlash(filepath.Dir(rel)), path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func imports(t *testing.T, path string) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range file.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

func TestImportsPointDownwards(t *testing.T) {
	seen := 0
	goFiles(t, func(pkg, path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		seen++
		allowed, known := may[pkg]
		if !known {
			t.Errorf("%s: package %s is not in the picture: add it to docs/design.md and to this test", path, pkg)
			return
		}
		for _, name := range imports(t, path) {
			own, ok := strings.CutPrefix(name, "torov/")
			if ok && !slices.Contains(allowed, own) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s, which is not below %s", path, name, pkg)
			}
		}
	})
	if seen < 50 {
		t.Fatalf("only %d files found", seen)
	}
}

func TestUnsafeHasAPlaceAndAReason(t *testing.T) {
	goFiles(t, func(_, path string) {
		if strings.HasSuffix(path, "_test.go") || !slices.Contains(imports(t, path), "unsafe") {
			return
		}
		if !strings.HasSuffix(path, "_unsafe.go") {
			t.Errorf("%s imports unsafe; that is for files named *_unsafe.go", path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("SAFETY:")) {
			t.Errorf("%s: no SAFETY line says why its use of unsafe is sound", path)
		}
	})
}

// maxLines is how long a file may be, tables aside.
const maxLines = 800

func TestFilesAreShort(t *testing.T) {
	goFiles(t, func(_, path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines && !strings.HasSuffix(path, "_table.go") {
			t.Errorf("%s has %d lines, more than %d", path, n, maxLines)
		}
	})
}
