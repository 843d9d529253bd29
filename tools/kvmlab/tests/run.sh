#!/bin/bash
# run.sh [host|vtx|svm|svmb]... [-- GROUP...]: build the tests, run them in each
# place (default: all) and print one table, then every verdict with its detail.
# Groups: debug cpu mem vcpu. CAPS_OUT=DIR keeps each place's raw results there.
set -u -o pipefail
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
places=() groups=()
while [ $# -gt 0 ]; do
  case $1 in
    --) shift; groups=("$@"); break ;;
    host|vtx|svm|svmb) places+=("$1") ;;
    *) echo "usage: run.sh [host|vtx|svm|svmb]... [-- GROUP...]" >&2; exit 2 ;;
  esac
  shift
done
[ ${#places[@]} -gt 0 ] || places=(host vtx svm svmb)
[ ${#groups[@]} -gt 0 ] || groups=(debug cpu mem vcpu)
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
warn() { printf 'run.sh: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }
# shellcheck source=../lib/apt.sh
. "$here/../lib/apt.sh"
need gcc libc6-dev
files=()
for g in "${groups[@]}"; do
  gcc -static -O1 -Wall -Wno-unused-function -o "$work/$g" "$here/$g.c" -lpthread || exit 1
  files+=(--file "$work/$g")
done
: >"$work/skip"
for p in "${places[@]}"; do
  start=$SECONDS; : >"$work/$p.out"
  if [ "$p" = host ]; then
    if [ -e /dev/kvm ]; then for g in "${groups[@]}"; do "$work/$g"; done >"$work/$p.out"; fi
  else
    # A test may bring the whole lab down: then note it and go on after it.
    for try in 1 2 3 4 5 6 7 8; do
      cut -d'|' -f1 "$work/$p.out" >"$work/skip"
      "$here/../kvmlab" "$p" --timeout 150 "${files[@]}" --file "$work/skip" --env TEST_SKIP=/lab/skip ${KVMLAB_ARGS:-} \
        -- sh -c "for g in ${groups[*]}; do \$g; done" >"$work/part" 2>"$work/err" && rc=0 || rc=$?
      cat "$work/part" >>"$work/$p.out"
      [ $rc = 0 ] && break
      if [ -n "$(tail -c1 "$work/part")" ]; then
        case $rc in 124) echo "NO|hangs the lab" ;; *) echo "NO|brings the lab down" ;; esac >>"$work/$p.out"
      else echo "run.sh: $p: $(head -1 "$work/err")" >&2; break; fi
    done
  fi
  echo "$p: $((SECONDS - start)) s" >&2
  [ -z "${CAPS_OUT:-}" ] || { mkdir -p "$CAPS_OUT"; cp "$work/$p.out" "$CAPS_OUT/$p.txt"; }
done
cd "$work" && awk -F'|' -v places="${places[*]}" '
  BEGIN { n = split(places, P, " ") }
  { f = FILENAME; sub(/\.out$/, "", f)
    if (!($1 in seen)) { seen[$1] = ++m; name[m] = $1 }
    v[$1, f] = $2; d[$1, f] = $3 }
  END {
    printf "| test |"; for (i = 1; i <= n; i++) printf " %s |", P[i]; print ""
    printf "| --- |"; for (i = 1; i <= n; i++) printf " --- |"; print ""
    for (j = 1; j <= m; j++) {
      printf "| %s |", name[j]
      for (i = 1; i <= n; i++) { k = name[j] SUBSEP P[i]; x = (k in v) ? v[k] : "-"; printf " %s |", (x == "info") ? d[k] : x }
      print ""
    }
    print ""
    for (j = 1; j <= m; j++) for (i = 1; i <= n; i++) {
      k = name[j] SUBSEP P[i]
      if ((k in v) && v[k] != "info") printf "%s, %s: %s; %s\n", P[i], name[j], v[k], d[k]
    }
  }' $(printf '%s.out ' "${places[@]}")
