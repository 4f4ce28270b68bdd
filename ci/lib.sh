#!/usr/bin/env bash
# Functions shared by ci/setup and ci/fresh (bash): progress messages, long commands, the table of programs.
set -euo pipefail
shopt -s inherit_errexit

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
BEAT=15 # seconds between progress lines of a long command

bold='' plain=''
if [ -t 2 ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Report the last line of LOG every BEAT seconds, until a line arrives through $pulse. Ends with this script at the
# latest.
beat() { # LOG
  local began=$SECONDS last
  while ! read -r -t "$BEAT" -u "$pulse"; do
    [ -e "/proc/$$" ] || exit 0
    last=$({ grep -vi 'warning\|debconf' "$1" || true; } | tail -n 1 | sed -E 's/^( *[0-9]+ s:|==>)? *//' | cut -c 1-90)
    printf '    %3d s: %s\n' $((SECONDS - began)) "$last" >&2
  done
}

# run_into LOG COMMAND...: run the command with its output in LOG and set $status.
run_into() {
  local log=$1
  shift
  if [ -z "${pulse:-}" ]; then
    mkfifo "$scratch/pulse"
    exec {pulse}<>"$scratch/pulse"
  fi
  : >"$log"
  beat "$log" &
  local beating=$!
  set +e # not "|| status=$?", which disables set -e within a command that is a function
  (
    set -e
    "$@"
  ) >>"$log" 2>&1 </dev/null
  status=$?
  set -e
  echo >&"$pulse"
  wait "$beating"
}

# quietly WHAT COMMAND...: run the command; if it fails, print its output and exit.
quietly() {
  local what=$1 began=$SECONDS
  shift
  say "$what"
  run_into "$scratch/log" "$@"
  if [ "$status" != 0 ]; then
    cat "$scratch/log" >&2
    die "this failed, with status $status: $what"
  fi
  printf '    %3d s\n' $((SECONDS - began)) >&2
}

# rows TARGET: print the programs that the target calls, as lines of PROGRAM PACKAGE QUESTION.
rows() {
  local parts part line machine
  case $1 in
    run | image | flash | fresh) parts=$1 ;;
    test | bench) parts="run $1" ;;
    image-test) parts="run test image vm" ;;
    *) die "there is no target $1" ;;
  esac
  machine=$(uname -m)
  case $machine:$parts in
    aarch64:*) ;;
    *image*) parts="$parts foreign" ;;
  esac
  while read -r part line; do
    case " $parts " in *" ${part:-#} "*) printf '%s\n' "$line" ;; esac
  done <"$repo/ci/programs"
}

# place_of PROGRAM: print the path of a program of the table; prints nothing if it is missing.
place_of() {
  local path
  case $1 in
    /*) path=$1 ;;
    */*) path=$repo/$1 ;;
    lib*.so.*) path=$(ldconfig -p | sed -n "s#^[[:space:]]*$1 .* => ##p") path=${path%%$'\n'*} ;;
    *) path=$(type -P "$1" || true) ;;
  esac
  if [ -e "$path" ]; then printf '%s\n' "$path"; fi
}

# Print the lock files a target needs: of the gateway's own packages, of what fetches the page's libraries, or of the
# tests, which has both.
locks_of() { # TARGET
  case $1 in
    run) echo requirements.lock requirements-page.lock ;;
    test | bench | image-test) echo requirements-dev.lock ;;
    image) echo requirements-page.lock ;;
    *) ;;
  esac
}
