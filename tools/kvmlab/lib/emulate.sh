# The two emulators. Sourced; works on the variables of run_lab. Each function
# sets cmd, the emulator's command line.
cmdline="console=ttyS0 quiet mitigations=off nokaslr no5lvl oops=panic nowatchdog rcupdate.rcu_cpu_stall_suppress=1 cryptomgr.notests no_timer_check audit=0"

emulate_bochs() {
  local model line iso=$run/iso
  case $kind in vtx) model=${cpu:-corei7_skylake_x} ;; *) model=${cpu:-zambezi} ;; esac
  line="$cmdline tsc=reliable tsc_early_khz=$((ips / 1000)) lpj=$((ips / 250)) noxsaves clearcpuid=xsavec idle=halt$append"
  mkdir -p "$iso/isolinux"
  mv "$run/initrd" "$iso/initrd"
  cp "$kernel/vmlinuz" "$iso/vmlinuz"
  cp "$(pkgfile isolinux isolinux.bin)" "$iso/isolinux/" || die "no isolinux"
  cp "$(pkgfile syslinux-common bios/ldlinux.c32)" "$iso/isolinux/" || die "no ldlinux"
  printf 'default l\nprompt 0\ntimeout 1\nlabel l\n kernel /vmlinuz\n append initrd=/initrd %s\n' "$line" >"$iso/isolinux/isolinux.cfg"
  xorriso -as mkisofs -quiet -o "$run/cd.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$iso" 2>"$run/xorriso.log" || die "xorriso failed: $(tail -1 "$run/xorriso.log")"
  rm -rf "$iso"
  bochsrc "$model" >"$run/bochsrc"
  # Debian's Bochs has its debugger built in, which waits for a command.
  echo c >"$run/continue"
  cmd=(env TERM=linux bochs -q -f "$run/bochsrc" -rc "$run/continue")
}
bochsrc() {       # bochsrc MODEL
  # The terminal display on no terminal: opens no port and needs no X.
  echo 'display_library: term'
  echo "memory: guest=$mem, host=$mem"
  echo "romimage: file=$(pkgfile bochsbios BIOS-bochs-latest)"
  echo "vgaromimage: file=$(pkgfile vgabios vgabios.bin)"
  echo 'ata0: enabled=1'
  echo "ata0-master: type=cdrom, path=$run/cd.iso, status=inserted"
  if [ -e "$run/disk" ]; then
    echo 'ata1: enabled=1'
    echo "ata1-master: type=disk, mode=flat, path=$run/disk, cylinders=0"
  fi
  echo 'boot: cdrom'
  echo "cpu: model=$1, count=$cpus, ips=$ips, reset_on_triple_fault=0"
  echo 'clock: sync=none, time0=utc'
  echo 'sound: waveoutdrv=dummy'
  echo 'speaker: enabled=0'
  echo "com1: enabled=1, mode=file, dev=$run/console"
  echo "com2: enabled=1, mode=file, dev=$run/out"
  echo "log: $run/bochs.log"
  echo 'panic: action=fatal'
  echo 'error: action=report'
  echo 'info: action=ignore'
}
emulate_qemu() {
  cp "$kernel/vmlinuz" "$run/vmlinuz"     # the cache may change under a long run
  cmd=(qemu-system-x86_64 -machine pc -accel 'tcg,thread=multi' -cpu "${cpu:-max,+svm,+npt}" -m "$mem" -smp "$cpus"
    -nodefaults -no-user-config -display none -monitor none -nic none -no-reboot -rtc 'base=utc'
    -serial "file:$run/console" -serial "file:$run/out"
    -kernel "$run/vmlinuz" -initrd "$run/initrd" -append "$cmdline$append")
  [ ! -e "$run/disk" ] || cmd+=(-drive "file=$run/disk,format=raw,if=ide,cache=unsafe")
}
tail_logs() {     # tail_logs [LINES]
  local f
  for f in console emulator.err emulator.out bochs.log; do
    if [ -s "$run/$f" ]; then
      echo "--- last lines of $f:"; tail -n "${1:-8}" "$run/$f" | tr -d '\r\000' | cut -c1-300
    fi
  done >&2
}
# outcome: turns the supervisor's word into the exit status, in code
outcome() {
  local st rest
  st=$(cat "$run/status" 2>/dev/null)
  case $st in
    exit\ *)
      read -r _ code rest <<<"$st"
      case $rest in
        missing*) warn "a --get path is missing in the lab" ;;
        failed*) warn "bringing files back failed (more than 2 GB?)"; [ "$code" != 0 ] || code=125 ;;
      esac
      fetch_files ${pairs[@]+"${pairs[@]}"} || [ "$code" != 0 ] || code=125 ;;
    timeout*begun=1) warn "timed out after $limit s: the command was still running"; code=124 ;;
    timeout*) warn "timed out after $limit s: the lab had not started the command"; tail_logs; code=124 ;;
    nokvm*) warn "no /dev/kvm in the lab"; tail_logs 20; code=125 ;;
    panic*) warn "the lab's kernel panicked"; tail_logs 40; code=125 ;;
    signal*) warn "interrupted"; code=130 ;;
    frozen*) warn "the emulator froze: it lost a wake-up, which Bochs sometimes does; try again"; code=122 ;;
    died*) warn "the emulator ended before the command did"; tail_logs; code=125 ;;
    *) warn "the run was cut off"; code=125 ;;
  esac
}
