#!/bin/sh
# prove.sh BUILD [PARSER...]: has Frama-C's Eva compute everything that the parsers of tests/prove/parsers.txt can do with any
# input up to a bound. Fails on an alarm that tests/prove/explained.txt does not explain, on an explanation without its alarm,
# and when statements of a parser were never reached, for what is not reached raises no alarm either. Last comes the proof
# that it can fail: the same with a byte too many let through.
set -u
export LC_ALL=C
build=$1 dir=$1/prove limit_s=${PROVE_LIMIT_S:-300}
shift
table=tests/prove/parsers.txt explained=tests/prove/explained.txt
rm -rf "$dir"
mkdir -p "$dir"
rows() { grep -v '^#' "$table"; }
parsers=${*:-$(rows | awk '{ print $1 }')}
for parser in $parsers; do
    rows | grep -q "^$parser " || { echo "prove: $table has no row \"$parser\"" >&2; exit 2; }
done

# The reader with a mistake of one, as it is made every year.
seeded=$dir/seeded.c
sed 's/len > r->left)/len > r->left + 1)/' lib/base/bytes.c >"$seeded"
cmp -s lib/base/bytes.c "$seeded" && { echo "prove: rd_span has changed, and the mistake is no longer seeded" >&2; exit 1; }

# One analysis: its output, its seconds.
cat >"$dir/analyse.sh" <<'ANALYSE'
set -u
dir=$1 name=$2 parser=$3 bytes=$4 limit_s=$5
set -- $(grep "^$parser " tests/prove/parsers.txt)
start=$(date +%s)
timeout "$limit_s" frama-c -machdep gcc_x86_64 -cpp-extra-args="-I. -Itests/prove -D_GNU_SOURCE -DBOUND=$2" \
    -eva -eva-verbose 0 -eva-precision 3 -eva-slevel 5000 -eva-split-return full -eva-interprocedural-splits \
    -eva-split-limit 300 -metrics -metrics-eva-cover \
    $([ "$5" = - ] || echo "$5" | tr , ' ') "tests/prove/$parser.c" "$bytes" $(echo "$4" | tr , ' ') >"$dir/$name.out" 2>&1
echo $? >"$dir/$name.rc"
echo $(($(date +%s) - start)) >"$dir/$name.s"
# "file: words" of each alarm; the words may go on for several lines
awk '/^\[eva:alarm\]/ { file = $2; sub(/:.*/, "", file); words = ""; reading = 1; next }
    reading && /^  / { sub(/^ +/, ""); words = words (words ? " " : "") $0; next }
    reading { print file ": " words; reading = 0 }
    END { if (reading) print file ": " words }' "$dir/$name.out" | sort -u >"$dir/$name.alarms"
ANALYSE
{
    for parser in $parsers; do echo "$parser $parser lib/base/bytes.c"; done
    [ $# -gt 0 ] || echo "seeded tlv $seeded"
} | xargs -P "$(nproc)" -L 1 sh -c 'sh "$0/analyse.sh" "$0" "$2" "$3" "$4" "$1"' "$dir" "$limit_s"

bad=0
fail() { echo "prove: $1" >&2; bad=1; }
printf '  %-12s %6s %7s %9s %8s\n' parser bound alarms reached seconds
for parser in $parsers; do
    set -- $(rows | grep "^$parser ")
    bound=$2 least=$3
    shift 5
    reached=$(awk -v wanted="$*" '
        BEGIN { n = split(wanted, w, " "); for (i = 1; i <= n; i++) left[w[i]] = 1 }
        $3 == "stmts" && $4 == "out" { f = $1; sub(/:$/, "", f); if (f in left) { got += $2; all += $6; delete left[f] } }
        END { for (f in left) { print "0 (" f " never)"; exit } printf "%.1f\n", all ? 100 * got / all : 0 }' "$dir/$parser.out")
    new=$(while read -r alarm; do
        grep -v '^#' "$explained" | grep -qF "$parser $alarm because " || printf '%s\n' "$alarm"
    done <"$dir/$parser.alarms")
    gone=$(grep "^$parser " "$explained" | while read -r line; do
        alarm=${line#"$parser "}
        grep -qxF "${alarm%% because *}" "$dir/$parser.alarms" || printf '%s\n' "$line"
    done)
    printf '  %-12s %6s %7s %8s%% %8s\n' "$parser" "$bound" "$(wc -l <"$dir/$parser.alarms")" "$reached" "$(cat "$dir/$parser.s")"
    [ "$(cat "$dir/$parser.rc")" = 0 ] || fail "$parser: the analysis ended with $(cat "$dir/$parser.rc") (124: after $limit_s s), see $dir/$parser.out"
    [ -z "$new" ] || fail "$parser: not explained in $explained: $new"
    [ -z "$gone" ] || fail "$parser: explained, but gone: $gone"
    awk -v r="${reached%% *}" -v l="$least" 'BEGIN { exit !(r < l) }' && fail "$parser: $reached % of its statements reached, $least % wanted"
done
if [ -e "$dir/seeded.rc" ]; then
    printf '  %-12s %6s %7s\n' "a mistake" "" "$(wc -l <"$dir/seeded.alarms")"
    grep -q 'out of bounds read' "$dir/seeded.alarms" || fail "a reader that reads one byte too far raises no alarm"
fi
exit $bad
