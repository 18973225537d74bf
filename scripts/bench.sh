#!/bin/sh
# bench.sh BUILD [BASE]: all figures as JSON lines on standard output; nothing else. One core for what is said to be on one core.
#
# ONLY=PATTERN  a part by its whole name (core, verifiers, batch, plant, ccc, pairing, records, hub, run, idle, runner, door, unlock, owner, approach, rebuild), or the rows whose names match (grep -E)
# BASE          a commit to compare with: built beside, by its own Makefile, and measured in turn with this tree, ROUNDS (3)
#               times each. A row is then the run with this tree's median value, with "base", the other's median,
#               "base_ratio": above 1 is better here, for rates and for times; and "spread", how far the rounds of one side
#               lie apart, as a share of their median: what is within it says little. "base" is null where that commit has
#               no such row. The last line names the rows below 0.95, and those of them for which the spread is no excuse.
set -eu
build=$1
base=${2:-}
only=${ONLY:-}
rounds=${ROUNDS:-3}
here=$(pwd)
# a part, its rows, and what prints them. A part is measured whole: other commits' programs know nothing of single rows.
parts='core isotp_transfers_1kB isotp_transfers_1kB_to_memcpy virtual_pp01_flows virtual_idle_day virtual_idle_day_can_log virtual_memory_per_vehicle vos_pp01_requests vos_pp01_while_deriving
verifiers verifier_sets vos_pp01_while_deriving_two_cores
batch pki_batch_certificates
plant plant_batch_certificates virtual_uds_requests life_to_the_verifiers
ccc spake2p_exchanges standard_transactions fast_transactions owner_pairings stranger_auth0 stranger_auth0_fast stranger_auth1
pairing virtual_owner_pairings
hub hub_transfers_1kB_11_nodes hub_transfers_1kB_to_can_isotp
run process_pp01_wall
idle run_idle_day
records phone_records_8_keys phone_records_8_keys_us
runner runner_event_at_100000 life_before_a_run
door token_checks door_passwords
owner process_owner_pairing
approach virtual_first_approaches process_passive_entry process_passive_entry_p99
unlock process_unlock process_unlock_p99 process_unlock_to_wake_ups process_unlock_p99_to_wake_ups
rebuild rebuild_one_component'

one_core="" two_cores=""
command -v taskset >/dev/null && one_core="taskset -c 0"
command -v taskset >/dev/null && [ "$(nproc)" -gt 1 ] && two_cores="taskset -c 0,1"

# One file of a component, then to a runnable scenario; the median of five.
rebuild() { # build folder
    file=$(ls ecu/spaak/provisioning.c ecu/provisioning.c 2>/dev/null | head -n 1)
    for _ in 1 2 3 4 5; do
        touch "$file"
        start=$(date +%s%N)
        env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL make -s BUILD="$1" all >&2
        echo $((($(date +%s%N) - start) / 1000))
    done | sort -n | awk 'NR == 3 { printf "{\"name\":\"rebuild_one_component\",\"value\":%.3f,\"unit\":\"s, median of 5\",\"floor\":1,\"floor_is\":\"the limit, 1 s\",\"ratio\":%.3g,\"goal\":1}\n", $1 / 1e6, $1 / 1e6 }'
}

measure() { # part, build folder whose programs are meant
    case $1 in
    core) for program in bench_core bench_vos; do [ ! -x "$2/tests/$program" ] || $one_core "$2/tests/$program"; done ;;
    verifiers) [ ! -x "$2/tests/bench_vos" ] || $two_cores "$2/tests/bench_vos" two ;;
    plant) [ ! -x "$2/tests/bench_plant" ] || $one_core "$2/tests/bench_plant" ;;
    batch) [ ! -x "$2/tests/bench_pki" ] || $one_core "$2/tests/bench_pki" ;;
    ccc) [ ! -x "$2/tests/bench_ccc" ] || $one_core "$2/tests/bench_ccc" ;;
    pairing) [ ! -x "$2/tests/bench_pairing" ] || $one_core "$2/tests/bench_pairing" ;;
    records) [ ! -x "$2/tests/bench_records" ] || $one_core "$2/tests/bench_records" ;;
    hub) "$2/tests/bench_process" hub ;;
    run) "$2/tests/bench_process" run "$2" ;;
    runner) [ ! -x "$2/tests/bench_runner" ] || $one_core "$2/tests/bench_runner" ;;
    door) [ ! -x "$2/tests/bench_door" ] || "$2/tests/bench_door" ;;
    unlock) [ ! -x "$2/tests/bench_unlock" ] || "$2/tests/bench_unlock" "$2" ;;
    approach)
        [ ! -x "$2/tests/bench_approach" ] || $one_core "$2/tests/bench_approach"
        [ ! -x "$2/tests/bench_approach" ] || "$2/tests/bench_approach" "$2"
        ;;
    owner) [ ! -x "$2/tests/bench_owner" ] || "$2/tests/bench_owner" "$2" ;;
    rebuild) rebuild "$2" ;;
    idle) $one_core "$here/$build/tests/bench_process" idle "$2" ;; # ours: asks any commit's spaaksim
    esac
}

is_part() { printf '%s\n' "$1" | grep -qxE -- "$only"; }

# The part's rows that match; all when the part's own name does.
print_rows() { # part, build folder
    measure "$1" "$2" >"$raw"
    if is_part "$1"; then cat "$raw"; else grep -E -- "^[{]\"name\":\"[^\"]*($only)" "$raw" || true; fi
}

# Prints the wanted parts; none is a mistake.
wanted_parts() {
    printf '%s\n' "$parts" | while read -r part rows; do is_part "$part" && echo "$part"; done | grep . ||
        printf '%s\n' "$parts" | while read -r part rows; do echo "$rows" | grep -qE -- "$only" && echo "$part"; done | grep . || { echo "bench: no row matches ONLY=$only" >&2; exit 2; }
}

if [ -n "$base" ]; then
    sha=$(git rev-parse --verify --quiet "$base^{commit}") || { echo "bench: no commit $base in this repository" >&2; exit 2; }
    case $rounds in *[!0-9]* | '' | 0*) echo "bench: ROUNDS=$rounds is no number of rounds" >&2; exit 2 ;; esac
fi
wanted=$(wanted_parts)
raw=$(mktemp) side=$(mktemp) rows=$(mktemp)
trap 'rm -f "$raw" "$side" "$rows"' EXIT
if [ -z "$base" ]; then
    for part in $wanted; do print_rows "$part" "$build"; done
    exit 0
fi

# The older tree, without a repository of its own; it appears whole or not at all.
tree=$build/base/$sha
if [ ! -d "$tree" ]; then
    mkdir -p "$build/base"
    rm -rf "$tree.part"
    mkdir "$tree.part"
    git archive "$sha" | tar -x -C "$tree.part"
    mv "$tree.part" "$tree"
fi
echo "bench: building $base in $tree" >&2
programs=$(cd "$tree" && ls tests/bench_*.c | sed 's,\(.*\)\.c$,build/\1,')
# what make was told about this tree is not for the other
# shellcheck disable=SC2086
env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL make -C "$tree" -j"$(nproc)" BUILD=build all $programs >"$tree.log" 2>&1 ||
    { echo "bench: $base does not build; $tree.log says why" >&2; exit 3; }

for part in $wanted; do
    for round in $(seq "$rounds"); do
        echo "bench: $part, round $round of $rounds" >&2
        (cd "$tree" && print_rows "$part" build) >"$side" && sed 's/^/base /' "$side" >>"$rows"
        print_rows "$part" "$build" >"$side" && sed 's/^/ours /' "$side" >>"$rows"
    done
done
awk -v base="$base" -v rounds="$rounds" '
    function median(side, row,    n, i, j, t, v) { # the lower one of an even number, so that it is one of them
        n = count[side, row]
        for (i = 1; i <= n; i++) v[i] = value[side, row, i]
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        t = v[int((n + 1) / 2)]
        spread[side] = (v[n] - v[1]) / t
        return t
    }
    function member(line, key) { # its text, or none
        return match(line, "\"" key "\":(\"[^\"]*\"|[^,}]*)") ? substr(line, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : ""
    }
    {
        side = $1
        line = substr($0, 6)
        row = member(line, "name")
        value[side, row, ++count[side, row]] = member(line, "value") + 0
        if (side == "ours") {
            if (count[side, row] == 1) order[++rows] = row
            text[row, member(line, "value") + 0] = line
        }
    }
    END {
        for (i = 1; i <= rows; i++) {
            row = order[i]
            mine = median("ours", row)
            line = text[row, mine]
            sub(/}$/, "", line)
            if (!count["base", row]) { print line ",\"base\":null,\"base_ratio\":null}"; continue }
            theirs = median("base", row)
            ratio = member(line, "unit") ~ /\/s/ ? mine / theirs : theirs / mine
            apart = spread["ours"] > spread["base"] ? spread["ours"] : spread["base"]
            printf "%s,\"base\":%.6g,\"base_ratio\":%.3f,\"spread\":%.3f}\n", line, theirs, ratio, apart
            if (ratio < 0.95) slow = slow (slow == "" ? "" : ",") row
            if (ratio < 0.95 && 1 - ratio > apart) surely = surely (surely == "" ? "" : ",") row
        }
        printf "{\"base\":\"%s\",\"rounds\":%d,\"below_0.95\":[%s],\"and_beyond_spread\":[%s]}\n", base, rounds, slow, surely
    }' "$rows"
