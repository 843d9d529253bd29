# One run's part of the initramfs: files, modules, the command. Sourced; works
# on the variables of run_lab.
dynamic() { [ "$(head -c4 "$1" | tr -d '\0')" = $'\177ELF' ] && grep -aq 'ld-linux' "$1"; }
quote() { local a; for a; do printf " '%s'" "${a//\'/\'\\\'\'}"; done; }
guest_path() {    # guest_path GUEST HOST: absolute path in the lab
  local g=$1
  [ -n "$g" ] || g=$(basename "$2")
  case $g in */) g=$g$(basename "$2") ;; esac
  case $g in /*) ;; *) g=/lab/$g ;; esac
  printf %s "$g"
}
split() {         # split HOST[:GUEST] -> $h $g (an existing path may hold a colon)
  h=$1 g=
  if [ ! -e "$1" ] && [[ $1 == *:* ]]; then h=${1%:*} g=${1##*:}; fi
  [ -e "$h" ] || die "no such file: $h"
}
stage() {         # stage CMD ARG...: fills $r
  local h g
  mkdir -p "$r/kvmlab" "$r/lab" "$r/lib/kvmlab"
  for h in ${files[@]+"${files[@]}"}; do
    split "$h"; [ -f "$h" ] || die "not a plain file: $h"
    g=$(guest_path "$g" "$h"); mkdir -p "$r$(dirname "$g")"
    cp -pL --remove-destination "$h" "$r$g" || die "cannot copy $h"
    if dynamic "$h"; then add_libs "$h" "$r"; fi
  done
  for h in ${dirs[@]+"${dirs[@]}"}; do
    split "$h"; [ -d "$h" ] || die "not a directory: $h"
    g=$(guest_path "$g" "$(readlink -f "$h")"); mkdir -p "$r$g"
    cp -a "$h/." "$r$g/" || die "cannot copy $h"
  done
  stage_modules
  echo "$token" >"$r/kvmlab/token"
  cat "$stdin" >"$r/kvmlab/stdin"
  for h in ${envs[@]+"${envs[@]}"}; do printf 'export %s=%s\n' "${h%%=*}" "$(quote "${h#*=}" | cut -c2-)"; done >"$r/kvmlab/env"
  printf 'cd /lab\nexec%s\n' "$(quote "$@")" >"$r/kvmlab/cmd"
}
stage_modules() { # and the disk for --get, with the modules that it needs
  local h g before extra=() m
  case $kind in vtx) m=kvm_intel ;; *) m=kvm_amd ;; esac
  module_order $m ${mods[@]+"${mods[@]}"}
  put_modules "$r/kvmlab/modules"
  [ ${#gets[@]} -gt 0 ] || return 0
  for h in "${gets[@]}"; do
    [[ $h == *:* ]] || die "--get wants GUEST:HOST, not $h"
    g=$(guest_path "${h%%:*}" x); [ "$g" != / ] || die "--get of / is not possible"
    pairs+=("${g#/}" "${h#*:}"); echo "${g#/}"
  done >"$r/kvmlab/get"
  before=" ${mod_order[*]} "
  module_order ata_piix sd_mod
  for m in "${mod_order[@]}"; do [[ $before == *" $m "* ]] || extra+=("$m"); done
  mod_order=("${extra[@]}"); put_modules "$r/kvmlab/disk-modules"
  truncate -s 2016M "$run/disk"
}
put_modules() {   # put_modules LISTFILE
  local m a h
  for m in "${mod_order[@]}"; do
    [ -e "$r/lib/kvmlab/$m.ko" ] || copy_module "${mod_path[$m]}" "$r/lib/kvmlab/$m.ko"
    a=; for h in ${modargs[@]+"${modargs[@]}"}; do [ "${h%%:*}" != "$m" ] || a="$a ${h#*:}"; done
    echo "/lib/kvmlab/$m.ko$a"
  done >"$1"
}
fetch_files() {   # fetch_files GUEST HOST GUEST HOST ...: what --get asked for
  local bad=0
  [ $# -gt 0 ] || return 0
  mkdir -p "$run/back"
  tar -xf "$run/disk" --warning=no-timestamp --no-same-owner -C "$run/back" || { warn "cannot read the files brought back"; return 1; }
  while [ $# -gt 0 ]; do
    if [ -e "$run/back/$1" ] || [ -L "$run/back/$1" ]; then
      mkdir -p "$(dirname "$2")"
      if [ -d "$run/back/$1" ]; then mkdir -p "$2" && cp -a "$run/back/$1/." "$2/" || bad=1
      else cp -a --remove-destination "$run/back/$1" "$2" || bad=1; fi
    else warn "not brought back: /$1"; bad=1; fi
    shift 2
  done
  return $bad
}
