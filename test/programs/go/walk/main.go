// Walk makes a tree of files, walks it, changes it, and takes it down.
package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	for _, step := range []func() error{build, list, change, archive, failures, remove} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, "walk:", err)
			os.Exit(1)
		}
	}
}

func build() error {
	for i := range 5 {
		for j := range 5 {
			dir := filepath.Join("tree", fmt.Sprint("d", i), fmt.Sprint("e", j))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			text := strings.Repeat(fmt.Sprintln("line", i, j), i*j+1)
			if err := os.WriteFile(filepath.Join(dir, "file.txt"), []byte(text), 0o640); err != nil {
				return err
			}
		}
	}
	if err := os.Symlink("d1", "tree/link"); err != nil {
		return err
	}
	return os.Chtimes("tree/d0/e0/file.txt", time.Unix(1e9, 0), time.Unix(1e9, 5000))
}

func list() error {
	return filepath.WalkDir("tree", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			fmt.Println(path, info.Mode(), info.Size())
		} else {
			fmt.Println(path, info.Mode())
		}
		return nil
	})
}

func change() error {
	info, err := os.Stat("tree/d0/e0/file.txt")
	if err != nil {
		return err
	}
	fmt.Println("time", info.ModTime().UTC())
	if err := os.Rename("tree/d2", "tree/moved"); err != nil {
		return err
	}
	f, err := os.OpenFile("tree/moved/e1/file.txt", os.O_APPEND|os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintln(f, "appended")
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		fmt.Println(scanner.Text())
	}
	if err := f.Truncate(4); err != nil {
		return err
	}
	if err := os.Chmod("tree/moved/e1/file.txt", 0o600); err != nil {
		return err
	}
	target, err := os.Readlink("tree/link")
	fmt.Println("link to", target, err)
	matches, err := filepath.Glob("tree/*/e3/*.txt")
	fmt.Println(matches, err)
	return nil
}

func archive() error {
	out, err := os.Create("tree.tar.gz")
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(out)
	w := tar.NewWriter(zip)
	if err := w.AddFS(os.DirFS("tree/d3")); err != nil {
		return err
	}
	if err := errors.Join(w.Close(), zip.Close(), out.Close()); err != nil {
		return err
	}
	in, err := os.Open("tree.tar.gz")
	if err != nil {
		return err
	}
	defer in.Close()
	unzip, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	r := tar.NewReader(unzip)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, r)
		fmt.Println("archived", header.Name, n, err)
	}
}

func failures() error {
	_, err := os.Open("missing")
	fmt.Println(err, errors.Is(err, fs.ErrNotExist))
	fmt.Println(os.Mkdir("tree", 0o755))
	fmt.Println(os.Remove("tree"))
	fmt.Println(os.Chdir("tree.tar.gz"))
	_, err = os.ReadFile("tree")
	fmt.Println(err)
	root, err := os.OpenRoot("tree")
	if err != nil {
		return err
	}
	defer root.Close()
	_, err = root.Open("../tree.tar.gz")
	fmt.Println(err)
	f, err := root.Open("d4/e4/file.txt")
	if err != nil {
		return err
	}
	return f.Close()
}

func remove() error {
	temp, err := os.MkdirTemp(".", "temp")
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll("tree"), os.RemoveAll(temp), os.Remove("tree.tar.gz")); err != nil {
		return err
	}
	left, err := os.ReadDir(".")
	fmt.Println("left", len(left), err)
	return nil
}
