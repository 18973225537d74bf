#!/bin/sh
# sources.sh [PATTERN...]: names our C files, or those of these patterns. By find, for there may be no git: a tarball, another
# user's checkout.
set -eu
[ $# -gt 0 ] || set -- '*.c' '*.h'
names=""
for pattern in "$@"; do
    names="$names ${names:+-o} -name $pattern"
done
set -f
# shellcheck disable=SC2086
find . \( -path ./build -o -path ./out -o -path './.?*' \) -prune -o \( $names \) -type f -print | sed 's,^\./,,' | sort
