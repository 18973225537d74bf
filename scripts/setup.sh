#!/bin/sh
# setup.sh GROUP: makes sure that the packages of a group are there; installs what is missing.
# Quick when nothing is missing: one call of dpkg-query. With SETUP=no it looks for nothing: what is needed is there, under
# names that Debian does not have.
set -eu
[ "${SETUP:-}" != no ] || exit 0
build="gcc make libc6-dev openssl protobuf-c-compiler libprotobuf-c-dev libssl-dev libsystemd-dev libsqlite3-dev libyaml-dev
libmosquitto-dev mosquitto nginx python3-aiosmtpd libcurl4-openssl-dev libjansson-dev libsocketcan-dev libreadline-dev libcriterion-dev pkg-config"
check="clang clang-format clang-tidy binutils"
test="python3-cryptography python3-canmatrix libxml2-utils curl chromium chromium-driver libnss3-tools"
optional="tshark python3-scapy protobuf-compiler python3-protobuf python3-jsonschema nodejs npm"
fuzz="clang libclang-rt-dev"
memcheck="valgrind"
guest="qemu-system-x86 busybox-static kmod cpio xz-utils can-utils iproute2 binutils"
real="can-utils iproute2"
prove="frama-c-base"
coverage="gcovr"

case "${1:-}" in
build) packages=$build ;;
test) packages=$test ;;
optional) packages=$optional ;; # what tests use where it is, and nobody is asked to have
check) packages=$check ;;
fuzz) packages=$fuzz ;;
memcheck) packages=$memcheck ;;
guest) packages=$guest ;;
real) packages=$real ;;
prove) packages=$prove ;;
coverage) packages=$coverage ;;
*) echo "usage: setup.sh build|test|optional|check|fuzz|memcheck|guest|real|prove|coverage" >&2; exit 2 ;;
esac

missing() {
    # shellcheck disable=SC2086
    dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
        awk -v wanted="$(echo $packages)" '$1 == "installed" { have[$2] = 1 }
            END { n = split(wanted, names, " "); for (i = 1; i <= n; i++) if (!(names[i] in have)) print names[i] }'
}

wanted=$(missing)
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086
echo "missing packages:" $wanted
by_hand() {
    # shellcheck disable=SC2086
    echo "as root, run: apt-get install --no-install-recommends" $wanted >&2
    exit 3
}
if ! command -v apt-get >/dev/null; then
    echo "this is not a Debian system: install what corresponds to these packages, then build with SETUP=no" >&2
    exit 3
fi
if [ "$(id -u)" = 0 ]; then as_root=""; elif command -v sudo >/dev/null; then as_root=sudo; else by_hand; fi
[ -z "$as_root" ] || sudo -v || by_hand
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
