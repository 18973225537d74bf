#!/bin/sh
# check-lint.sh BUILD FILE...: clang's warnings and clang-tidy's findings in these sources, as errors.
#
# A file that passed leaves a stamp in BUILD/check: the SHA-256 of itself, of every header that it includes (the system's, too),
# of the tools' versions, of .clang-tidy and of this script. While these are the same it is not looked at again. What a stamp
# cannot see is a new header that would be found before the one that was included.
set -u
export LC_ALL=C
build=$1 dir=$1/check cores=$(nproc)
shift
flags="-std=gnu17 -D_GNU_SOURCE -I. -isystem $build/gen -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes
    -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef"
# By itself the analyzer looks at up to 225,000 nodes of a function, and nine tenths of the time go into the last of them in a
# few long functions. No check is left out for that, but a search ends after 10,000 nodes: in 20 mutants of ten files (a free
# left out, doubled, too early) it then found the same as with all of them.
analyzer="-Xclang -analyzer-config -Xclang max-nodes=10000"

mkdir -p "$dir"
rm -f "$dir"/deps.* "$dir/passed"
{ clang --version; clang-tidy --version; } >"$dir/tools"
lines() { xargs -d '\n' -r "$@"; }
hashes_of() { sort -u | lines sha256sum 2>/dev/null; } # of the files whose names come in

# 1. Which files are not as their stamps say. A line of a stamp is sha256sum's: 64 digits, two blanks, a name.
for file in "$@"; do
    [ ! -s "$dir/$file.sum" ] || printf '%s\n' "$dir/$file.sum"
done >"$dir/stamps"
lines cat <"$dir/stamps" | cut -c 67- | hashes_of >"$dir/now"
lines awk -v now="$dir/now" '
    BEGIN { while ((getline line < now) > 0) is[substr(line, 67)] = substr(line, 1, 64) }
    { seen[FILENAME] = 1 }
    is[substr($0, 67)] != substr($0, 1, 64) { stale[FILENAME] = 1 }
    END { for (f in seen) if (!(f in stale)) print f }' <"$dir/stamps" >"$dir/fresh"
# the longest first, so that no core waits for another's last
ls -S -- "$@" | awk -v dir="$dir/" '
    BEGIN { while ((getline f < (dir "fresh")) > 0) fresh[f] = 1 }
    !((dir $0 ".sum") in fresh)' >"$dir/stale"
printf '  %-10s %s\n' "" "$(wc -l <"$dir/stale") of $# files have changed since they passed"
[ -s "$dir/stale" ] || exit 0

# 2. What they include, and what that is now: before they are looked at, so that a change meanwhile is not passed over.
export dir flags analyzer
# shellcheck disable=SC2016
lines -P "$cores" -n 20 sh -c 'clang -M $flags "$@" >"$dir/deps.$$" 2>/dev/null' _ <"$dir/stale"
# "x.o: x.c a.h \" and so on becomes "x.c<tab>a.h"
cat "$dir"/deps.* | awk -v OFS='\t' '{ for (i = 1; i <= NF; i++) if ($i ~ /:$/) first = 1
    else if ($i != "\\") { if (first) file = $i; first = 0; print file, $i } }' | sort -u >"$dir/includes"
{ cut -f 2 "$dir/includes"; printf '%s\n' .clang-tidy scripts/check-lint.sh "$dir/tools"; } | hashes_of >"$dir/now"

# 3. Looks at them, each in a process of its own.
# shellcheck disable=SC2016
lines -P "$cores" -n 1 sh -c 'case $1 in
    tests/*) said=$(clang -fsyntax-only -Werror $flags "$1" 2>&1) ;;
    *) said=$(clang-tidy --quiet --warnings-as-errors="*" "$1" -- $flags $analyzer 2>&1) ;;
    esac && echo "$1" >>"$dir/passed" || { printf "%s\n" "$said"; exit 1; }' _ <"$dir/stale"
rc=$?

# 4. Stamps for those that passed.
touch "$dir/passed"
sed "s,^,$dir/,; s,/[^/]*\$,," "$dir/passed" | sort -u | lines mkdir -p
awk -F '\t' -v dir="$dir/" '
    BEGIN {
        while ((getline line < (dir "now")) > 0) is[substr(line, 67)] = line
        while ((getline file < (dir "passed")) > 0) passed[file] = is[".clang-tidy"] "\n" is["scripts/check-lint.sh"] "\n" is[dir "tools"]
    }
    $1 in passed { passed[$1] = passed[$1] "\n" is[$2] }
    END { for (file in passed) { print passed[file] >(dir file ".sum"); close(dir file ".sum") } }' "$dir/includes"
exit $rc
