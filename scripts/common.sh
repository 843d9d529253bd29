# What the scripts share. Sourced; goes to the repository's root directory.
# shellcheck shell=bash disable=SC2034
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
kvmlab=tools/kvmlab/kvmlab

# The packages whose tests need /dev/kvm: they also run in the labs.
kvm_packages=(kvm internal/engine/kvmcpu internal/debug test)

say() { printf '== %s\n' "$*"; }
die() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

# kvm_usable: can this user make a VM and a vCPU with /dev/kvm? The ioctls are
# KVM_GET_API_VERSION, KVM_CREATE_VM and KVM_CREATE_VCPU.
kvm_usable() {
  perl -e 'open my $k, "+<", "/dev/kvm" or exit 1;
    exit 1 unless (ioctl($k, 0xae00, 0) // 0) == 12;
    my $vm = ioctl($k, 0xae01, 0) or exit 1;
    open my $v, "+<&=", 0 + $vm or exit 1;
    exit(ioctl($v, 0xae41, 0) ? 0 : 1)' 2>/dev/null
}
no_kvm_notice() {
  echo "No usable /dev/kvm here (missing, no permission, or it makes no VM):"
  echo "$1 in an emulated AMD-V machine instead (QEMU, tools/kvmlab). That is slow, and says nothing about speed."
}

# lab_tree DIR: what programs and tests open of the repository, at the places
# where they look for it, with its times, which gdb compares. A lab gets it under
# the repository's own path, so that paths in debug information and in
# configurations hold there too.
lab_tree() {
  rm -rf "$1"
  mkdir -p "$1/bin" "$1/build" "$1/test" "$1/scripts"
  cp -p bin/torov "$1/bin/"
  cp -p scripts/demo-steps "$1/scripts/"
  cp -a build/examples build/programs "$1/build/"
  cp -a examples "$1/"
  cp -a test/programs "$1/test/"
}
