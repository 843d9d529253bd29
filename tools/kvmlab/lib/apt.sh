# Debian packages, installed when they are missing. Sourced; needs warn and die.
apt_fresh=
# A service that a package starts must not keep the caller's lock (fd 9).
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi 9>&-; }
installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
apt_update() {    # fetch the package lists, once a run
  [ -z "$apt_fresh" ] || return 0
  apt_fresh=1
  as_root apt-get update -qq </dev/null >&2 || warn "apt-get update failed; going on with the old lists"
}
# Another apt may hold the lock, and a mirror may be away for a moment.
apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null >&2
}
need() {          # need PACKAGE...
  local p miss=()
  for p; do installed "$p" || miss+=("$p"); done
  [ ${#miss[@]} != 0 ] || return 0
  command -v apt-get >/dev/null || die "apt-get is missing (not Debian?); install by hand: ${miss[*]}"
  as_root true 2>/dev/null || die "not root, and sudo wants a password; run: sudo apt-get install ${miss[*]}"
  warn "installing ${miss[*]}"
  # Lists that are missing or old do not know the package, and an installation
  # may have been cut off: repair both and try again.
  apt_install "${miss[@]}" 2>/dev/null || {
    apt_update; as_root dpkg --configure -a </dev/null >&2; apt_install "${miss[@]}"
  } ||
    die "cannot install ${miss[*]}: see the messages of apt-get above"
}
