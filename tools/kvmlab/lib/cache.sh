# What is fetched or built once and kept in $cache: kernel, base, gdb. Sourced.
# All of it happens under the lock of $cache (fd 9), so that runs may go in
# parallel; what a killed run left half made is removed by the next one.
format=3          # of the cache; raise it when what is stored changes

locked=
lock() {          # lock -x (to change the cache) or -s (to read it)
  [ -n "$locked" ] || { mkdir -p "$cache" && exec 9>"$cache/lock"; } || die "cannot write in $cache"
  locked=1
  flock -w 5 "$1" 9 || { warn "waiting for another kvmlab that is setting up"; flock "$1" 9; }
}
unlock() { exec 9>&-; locked=; }
setup() {         # setup LAB: what the lab needs; leaves the lock on for reading
  lock -x
  rm -rf "$cache"/tmp.*
  need busybox-static cpio perl-base
  case $1 in
    vtx|svmb) need bochs bochsbios bochs-term vgabios isolinux syslinux-common xorriso ;;
    svm) need qemu-system-x86 ;;
  esac
  get_kernel
  get_base
  [ -z "${gdb:-}" ] || get_gdb
  lock -s
}
scratch() { mktemp -d "$cache/tmp.XXXXXX" || die "cannot write in $cache"; }
pkgfile() {       # pkgfile PACKAGE NAME: where the package put the file
  local f; f=$(dpkg -L "$1" 2>/dev/null | sed -n "\\#/$2\$#p")
  f=${f%%$'\n'*}
  [ -n "$f" ] && [ -e "$f" ] || die "no $2 in package $1"
  printf %s "$f"
}
pack() { (cd "$1" && find . -mindepth 1 -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet); }

# ---- kernel -------------------------------------------------------------------
# fetch_kernel DIR: the package that linux-image-cloud-amd64 depends on now
fetch_kernel() {
  local pkg
  pkg=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$pkg" ] || return 1
  warn "fetching $pkg"
  (cd "$1" && apt-get download -qq -o Acquire::Retries=3 -o APT::Sandbox::User=root "$pkg") </dev/null >&2 9>&-
}
get_kernel() {
  local t deb=${KVMLAB_KERNEL_DEB:-} m
  kernel=$cache/kernel.$format
  [ ! -f "$kernel/vmlinuz" ] || return 0
  t=$(scratch)
  if [ -z "$deb" ]; then
    fetch_kernel "$t" || { apt_update; fetch_kernel "$t"; } ||
      die "cannot download the kernel, linux-image-cloud-amd64; see the messages of apt-get, or set KVMLAB_KERNEL_DEB"
    deb=$(echo "$t"/*.deb)
  fi
  dpkg -x "$deb" "$t/x" || die "cannot unpack $deb"
  mkdir "$t/k" && mv "$t"/x/boot/vmlinuz-* "$t/k/vmlinuz" && mv "$t"/x/boot/config-* "$t/k/config" || die "no kernel in $deb"
  m=$(find "$t/x" -type d -path '*/modules/*' -name kernel -print -quit)
  mv "$m" "$t/k/modules" || die "no modules in $deb"
  basename "$(dirname "$m")" >"$t/k/version"
  rm -rf "$kernel" && mv "$t/k" "$kernel" && rm -rf "$t"
}
# module_order NAME...: the modules and what they need, in load order
module_order() {
  local f b m
  declare -gA mod_path=()
  local -A seen=()
  mod_order=()
  while IFS= read -r f; do
    b=${f##*/}; b=${b%.ko}; mod_path[${b//-/_}]=$f
  done < <(find "$kernel/modules" -name '*.ko')
  _mod() {
    local m=${1//-/_} d
    [ -z "${seen[$m]:-}" ] || return 0
    seen[$m]=1
    [ -n "${mod_path[$m]:-}" ] || die "the lab's kernel has no module $1"
    for d in $(grep -aoP '(?<=\0)depends=\K[^\0]*' "${mod_path[$m]}" | tr ',\0' '  '); do _mod "$d"; done
    mod_order+=("$m")
  }
  for m; do _mod "$m"; done
}
# The signature at a module's end costs seconds to check in an emulator: cut it off.
copy_module() {
  perl -0777 -ne 'if (substr($_,-28) eq "~Module signature appended~\n") {
    my $n = unpack "N", substr($_,-32,4); $_ = substr $_, 0, length($_)-40-$n } print' "$1" >"$2"
}

# ---- base: the part of the initramfs that is the same for every run -----------
get_base() {
  local t a busybox
  busybox=$(pkgfile busybox-static busybox)
  # Named by its contents: clones of different age may share a cache.
  base=$cache/base.$format.$(cat "$here/lib/init" "$busybox" | cksum | tr ' ' .)
  [ ! -f "$base" ] || return 0
  t=$(scratch)
  mkdir -p "$t"/r/{bin,sbin,dev,proc,sys,etc,lib,lib64,tmp,root,run,lab,kvmlab,usr/bin,usr/sbin,usr/lib,var/tmp}
  chmod 1777 "$t"/r/tmp "$t"/r/var/tmp
  cp "$busybox" "$t/r/bin/busybox"
  for a in $("$busybox" --list); do [ -e "$t/r/bin/$a" ] || ln -s busybox "$t/r/bin/$a"; done
  ln -s ../../bin/env "$t/r/usr/bin/env"
  cp "$here/lib/init" "$t/r/init"; chmod 755 "$t/r/init"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$t/r/etc/passwd"
  printf 'root:x:0:\ntty:x:5:\nkvm:x:104:\n' >"$t/r/etc/group"
  printf '127.0.0.1 localhost kvmlab\n::1 localhost\n' >"$t/r/etc/hosts"
  printf 'passwd: files\ngroup: files\nhosts: files\n' >"$t/r/etc/nsswitch.conf"
  rm -f "$cache"/base.*
  pack "$t/r" >"$t/cpio" && mv "$t/cpio" "$base" && rm -rf "$t" || die "cannot make $base"
}

# ---- gdb with Python ----------------------------------------------------------
# add_libs ELF ROOT: the shared libraries of a dynamic program. On systems where
# /lib is usr/lib the lab has plain folders: a library is put exactly where the
# program looks for it.
add_libs() {
  local l
  ldd "$1" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p' |
  while IFS= read -r l; do
    [ -e "$2$l" ] || { mkdir -p "$2$(dirname "$l")" && cp -pL "$l" "$2$l"; }
  done
}
get_gdb() {
  local t r f
  need gdb
  gdb_cpio=$cache/gdb.$format.$(dpkg-query -W -f='${Version}' gdb | tr -c 'A-Za-z0-9.+' _)
  [ ! -f "$gdb_cpio" ] || return 0
  t=$(scratch); r=$t/r
  f=$(pkgfile gdb bin/gdb); mkdir -p "$r/usr/bin"; cp -pL "$f" "$r/usr/bin/gdb"
  add_libs "$f" "$r"
  gdb_data "$r"
  gdb_python "$r" "$f"
  find "$r" -type f \( -name '*.so*' -o -name gdb \) -exec chmod u+w {} +
  pack "$r" >"$t/cpio" && mv "$t/cpio" "$gdb_cpio" && rm -rf "$t" || die "cannot make $gdb_cpio"
}
gdb_data() {      # gdb_data ROOT: what gdb opens at run time
  local r=$1 f h
  # Threads, and the character sets of strings.
  for f in libthread_db.so.1 gconv/UTF-32.so gconv/UTF-16.so gconv/gconv-modules gconv/gconv-modules.cache gconv/gconv-modules.d/gconv-modules-extra.conf; do
    h=$(dpkg -L libc6 libc-bin | sed -n "\\#/$f\$#p"); h=${h%%$'\n'*}
    if [ -e "$h" ]; then mkdir -p "$r${h%/*}" && cp -pL "$h" "$r$h"; fi
  done
  mkdir -p "$r/usr/share"; cp -a "$(dirname "$(pkgfile gdb gdb/python)")" "$r/usr/share/gdb"
  rm -rf "$r"/usr/share/gdb/{auto-load,syscalls}; mkdir -p "$r/usr/share/gdb/syscalls"
  cp -a "$(pkgfile gdb syscalls/amd64-linux.xml)" "$(pkgfile gdb syscalls/gdb-syscalls.dtd)" "$r/usr/share/gdb/syscalls/"
  for f in d/dumb l/linux v/vt100 v/vt102 x/xterm; do
    h=$(find -L "$(dpkg -L ncurses-base | grep -m1 'terminfo$')" -path "*/$f" -print -quit 2>/dev/null)
    if [ -n "$h" ]; then mkdir -p "$r/usr/share/terminfo/${f%/*}" && cp -L "$h" "$r/usr/share/terminfo/$f"; fi
  done
}
gdb_python() {    # gdb_python ROOT GDB: the standard library, compiled
  local r=$1 f=$2 py lib
  py=$(ldd "$f" | sed -n 's/.*libpython\([0-9.]*[0-9]\)\.so.*/\1/p' | head -1)
  [ -n "$py" ] || return 0
  lib=$(dirname "$(pkgfile "libpython$py-minimal" "python$py/os.py")")
  mkdir -p "$r$lib"
  (cd "$lib" && find . \( -name test -o -name tests -o -name idlelib -o -name tkinter -o -name lib2to3 -o \
    -name ensurepip -o -name pydoc_data -o -name distutils -o -name turtledemo -o -name 'config-*' -o \
    -name asyncio -o -name unittest -o -name multiprocessing -o -name sqlite3 -o -name wsgiref -o -name xmlrpc -o \
    -name dist-packages -o -name site-packages \) -prune -o -type f -print0 | cpio -0 -pdmL --quiet "$r$lib") 2>/dev/null
  # The lab has no time to compile Python: bring the .pyc with the .py.
  "$f" -nx -batch -ex "python import compileall; [compileall.compile_dir(d, quiet=2, stripdir='$r') for d in ('$r$lib', '$r/usr/share/gdb/python')]" >/dev/null 2>&1
}
