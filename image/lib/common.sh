# shellcheck shell=bash disable=SC2034 # the scripts that source this use the variables
# Shared by the image's scripts (bash): paths, progress messages, running in the tools root.
set -euo pipefail
shopt -s inherit_errexit # $(...) stops at a failed command too

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${VPN_GATEWAY_CACHE:-$HOME/.cache/vpn-gateway}
build=$repo/build
export QEMU_CPU=cortex-a72 # 13 times faster under qemu-user than the default CPU model

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'image: %s\n' "$*" >&2; exit 1; }

# One line per finished step in $timings, printed at the end of a build. A failed step ends the script, so call it as a
# separate command: in a condition (step ... || ...) bash disables set -e and would continue with the next command.
step() { # NAME COMMAND...
  local label=$1 start=$SECONDS
  shift
  say "$label"
  "$@"
  printf '%-42s %5d s\n' "$label" $((SECONDS - start)) | tee -a "${timings:-/dev/null}" >&2
}

# key TEXT FILE...: the name of a cache entry, 16 hex digits of the hash of everything that goes into it.
key() {
  local text=$1
  shift
  { printf '%s\n' "$text"; [ $# = 0 ] || cat "$@"; } | sha256sum | cut -c1-16
}

# newest PATTERN: print the newest cache entry of that name, if there is one.
newest() { find "$cache" -maxdepth 1 -name "$1" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-; }

version() { sed -n 's/^version = "\(.*\)"/\1/p' "$repo/pyproject.toml"; }

# When the sources were last changed; every file in an image bears this time (reproducible-builds.org).
source_epoch() { git -C "$repo" log -1 --format=%ct -- 2>/dev/null || stat -c %Y "$repo/pyproject.toml"; }

# in_tools DIRECTORY COMMAND...: run natively in the tools root ($tools), with DIRECTORY at /build and the repository,
# read-only, at /src. All mounts are in a private mount namespace, so none is ever left behind.
in_tools() {
  local work=$1
  shift
  # shellcheck disable=SC2016,SC2154 # the inner shell expands them; every caller sets tools
  TOOLS=$tools WORK=$work SRC=$repo unshare --mount --fork bash -euc '
    mkdir -p "$TOOLS/build" "$TOOLS/src"
    mount --bind "$WORK" "$TOOLS/build"
    mount --bind "$SRC" "$TOOLS/src"
    mount -o remount,bind,ro "$TOOLS/src"
    mount --rbind /proc "$TOOLS/proc"
    mount --rbind /dev "$TOOLS/dev"
    mount --rbind /sys "$TOOLS/sys"
    mount -t tmpfs tmpfs "$TOOLS/run"
    mount -t tmpfs tmpfs "$TOOLS/tmp"
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
      [ -e "$file" ] || continue
      [ -e "$TOOLS$file" ] || touch "$TOOLS$file"
      mount --bind "$file" "$TOOLS$file"
    done
    exec chroot "$TOOLS" env PROPAGATION=unchanged PIP_FIND_LINKS= HOME=/tmp TMPDIR=/tmp LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
  ' in_tools "$@"
}
