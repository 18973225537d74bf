#!/bin/sh
# setup.sh GROUP: makes sure that the packages of a group are there; installs what is missing.
# Quick when nothing is missing: one look at a stamp, or one call of dpkg-query.
set -eu
build="gcc make libc6-dev openssl protobuf-c-compiler libprotobuf-c-dev libssl-dev libsystemd-dev libsqlite3-dev libyaml-dev
libmosquitto-dev mosquitto libsocketcan-dev libreadline-dev libcriterion-dev pkg-config"
check="clang clang-format clang-tidy git binutils"
test="python3-cryptography python3-canmatrix libxml2-utils"
optional="tshark"
fuzz="clang libclang-rt-dev"
memcheck="valgrind"
guest="qemu-system-x86 busybox-static kmod cpio xz-utils can-utils iproute2 binutils"
real="can-utils iproute2"

case "${1:-}" in
build) packages=$build ;;
test) packages=$test ;;
optional) packages=$optional ;; # what tests use where it is, and nobody is asked to have
check) packages=$check ;;
fuzz) packages=$fuzz ;;
memcheck) packages=$memcheck ;;
guest) packages=$guest ;;
real) packages=$real ;;
*) echo "usage: setup.sh build|test|optional|check|fuzz|memcheck|guest|real" >&2; exit 2 ;;
esac

missing() {
    # shellcheck disable=SC2086
    dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2>/dev/null | sed -n 's/^installed //p' |
        sort >"${TMPDIR:-/tmp}/spaaksim-have.$$"
    # shellcheck disable=SC2086
    printf '%s\n' $packages | sort | comm -23 - "${TMPDIR:-/tmp}/spaaksim-have.$$"
    rm -f "${TMPDIR:-/tmp}/spaaksim-have.$$"
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086
echo "missing packages:" $wanted
if ! command -v apt-get >/dev/null; then
    echo "this is not a Debian system: install what corresponds to these packages, then try again" >&2
    exit 3
fi
if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root=sudo; else
    # shellcheck disable=SC2086
    echo "as root, run: apt-get install --no-install-recommends" $wanted >&2
    exit 3
fi
# Debian starts daemons when it installs them; ours are started by each run, so none is wanted now.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    trap '$as_root rm -f $policy' EXIT
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $wanted >/dev/null
left=$(missing)
if [ -n "$left" ]; then
    # shellcheck disable=SC2086
    echo "could not install:" $left >&2
    exit 3
fi
