#!/bin/sh
# check-lint.sh BUILD FILE...: clang's warnings and clang-tidy's findings in these sources, as errors.
#
# A file that passed leaves a stamp: the SHA-256 of itself, of every header that it includes (the system's, too), of the tools'
# versions, of .clang-tidy and of this script. While these are the same it is not looked at again. What a stamp cannot see is
# a new header that would be found before the one that was included.
set -u
stamps=$1/check
flags="-std=gnu17 -D_GNU_SOURCE -I. -isystem $1/gen -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef"
# The analyzer explores up to 225,000 nodes of a function, and nine tenths of the time go into the last of them. With a fifth
# of that it found the same in the mutants that were tried: frees left out, doubled, too early.
analyzer="-Xclang -analyzer-config -Xclang max-nodes=50000"

# One file, in a process of its own: exit status 1 when there is something to say.
if [ "${2:-}" = --one ]; then
    file=$3 stamp=$stamps/$3.sum
    mkdir -p "$(dirname "$stamp")"
    # shellcheck disable=SC2086
    clang -M -MT - $flags "$file" | sed 's/^-: //; s/\\$//' | tr ' ' '\n' | sed '/^$/d' | sort -u >"$stamp.new"
    printf '%s\n' .clang-tidy scripts/check-lint.sh "$stamps/tools" >>"$stamp.new"
    xargs -d '\n' sha256sum <"$stamp.new" >"$stamp.sums"
    case $file in
    # shellcheck disable=SC2086
    tests/*) clang -fsyntax-only -Werror $flags "$file" ;;
    # shellcheck disable=SC2086
    *) clang-tidy --quiet --warnings-as-errors='*' "$file" -- $flags $analyzer 2>"$stamp.err" || { cat "$stamp.err" >&2; false; } ;;
    esac || { rm -f "$stamp"*; exit 1; }
    mv "$stamp.sums" "$stamp"
    rm -f "$stamp".*
    exit 0
fi

shift
mkdir -p "$stamps"
{ clang --version; clang-tidy --version; } >"$stamps/tools"
# the stamps of these files, as far as there are any; then what the files in them are now
for file in "$@"; do
    [ ! -f "$stamps/$file.sum" ] || printf '%s\n' "$stamps/$file.sum"
done >"$stamps/list"
xargs -d '\n' awk '{ print substr($0, 67) }' <"$stamps/list" | sort -u | xargs -d '\n' sha256sum >"$stamps/now" 2>/dev/null
xargs -d '\n' awk -v now="$stamps/now" '
    BEGIN { while ((getline line < now) > 0) is[substr(line, 67)] = substr(line, 1, 64) }
    is[substr($0, 67)] != substr($0, 1, 64) { stale[FILENAME] = 1 }
    { seen[FILENAME] = 1 }
    END { for (f in seen) if (!(f in stale)) print f }' <"$stamps/list" >"$stamps/fresh"
printf '%s\n' "$@" | awk -v fresh="$stamps/fresh" -v stamps="$stamps/" '
    BEGIN { while ((getline f < fresh) > 0) ok[f] = 1 }
    !(stamps $0 ".sum" in ok)' >"$stamps/stale"
printf '  %-10s %s\n' "" "$(wc -l <"$stamps/stale") of $# files have changed since they passed"
[ ! -s "$stamps/stale" ] || xargs -d '\n' -P "$(nproc)" -n 1 "$0" "${stamps%/check}" --one <"$stamps/stale"
