#!/bin/sh
# check-symbols.sh BUILD: lists what components and protocol modules take from outside and fails on anything that does
# I/O, reads a clock, draws randomness behind env's back, or touches a global of the process.
set -u
build=$1/obj
# allowed from the C library and OpenSSL: memory, text, search trees, and crypto without randomness of its own
allowed='^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__assert_fail|__(asan|ubsan|lsan|sanitizer)_.*|mem(cpy|cmp|set|move|chr|mem)|str(len|nlen|cmp|ncmp|chr|rchr|str|cpy|cspn|spn|pbrk|dup|toull)|malloc|calloc|realloc|free|abort|snprintf|__snprintf_chk|__isoc99_sscanf|sscanf|fprintf|fputs|fputc|fwrite|t(search|find|delete|destroy)|twalk_r|OPENSSL_cleanse|protobuf_c_.*)$'
crypto='^(EC_|ECDH_compute_key$|SHA1$|SHA256_|ECDSA_|BN_|RAND_priv_bytes_ex$)'
bad=0
own=$(mktemp "$1/symbols.XXXXXX")
trap 'rm -f "$own"' EXIT
find "$build" -name '*.o' -exec nm --defined-only -g {} + 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >"$own"
check() { # pattern of more allowed symbols, objects...
    more=$1
    shift
    # shellcheck disable=SC2016
    nm -A -u "$@" | awk -v own="$own" -v allowed="$allowed" -v more="$more" '
        BEGIN { while ((getline s < own) > 0) ours[s] = 1 }
        !($NF in ours) && $NF !~ allowed && $NF !~ more { sub(/:.*/, "", $1); print "check: " $1 " reaches outside its env: " $NF; bad = 1 }
        END { exit bad }' >&2 || bad=1
}
components="ecu sgw tbm backend sim/actors $(ls tests/*/cast.c | sed 's,/cast.c$,,')"
objects() { find "$@" -name '*.c' ! -name '*_main.c' | sed "s,^,$build/,; s,c\$,o,"; }
# shellcheck disable=SC2046
check '^$' $(objects $components lib/base lib/can lib/msg lib/env)
check "$crypto" $(find lib/crypto lib/pki -name '*.c' ! -name sealed.c ! -name cipher.c ! -name cmac.c ! -name smp.c | sed "s,^,$build/,; s,c\$,o,")
# what seals values for rest: one cipher
check '^EVP_(CIPHER|Cipher)' "$build"/lib/crypto/sealed.o "$build"/lib/crypto/cipher.o
# one MAC
check '^(EVP_MAC_|OSSL_PARAM_construct_)' "$build"/lib/crypto/cmac.o
# Bluetooth LE: one cipher, in two modes
check '^(EVP_(CIPHER|Cipher|Encrypt))' "$build"/lib/crypto/smp.o
# a device of it does no I/O either; its words are read in a copy
check '^(strsep|strcat|strtol|__isoc23_strtol|explicit_bzero)$' $(objects lib/ble) $(for f in device told air cipher l2cap att pairing radio; do echo "$build/lib/media/ble/$f.o"; done)
# the Digital Key protocol: ciphers and derivations beside the curves
check '^(EC_|BN_|ECDH_|EVP_(KDF|CIPHER|Cipher|Encrypt|Decrypt)|OSSL_PARAM_construct_)' $(objects lib/ccc)
# diagnostics: the one MAC of seed and key
check '^EVP_Q_mac$' $(objects lib/uds)
check '^__tls_get_addr$' $(objects lib/http lib/html lib/mail)
check '^json_(object_(seed|get|iter.*|key_to_iter)|loadb|delete|string_(value|length))$' $(objects lib/json)
# these allocate nothing themselves: all their memory is their caller's, or OpenSSL's for keys
for object in $(objects lib/ccc lib/uds lib/http lib/html lib/mail); do
    nm -u "$object" | grep -E ' (malloc|calloc|realloc|strdup|free)$' && { echo "check: $object allocates" >&2; bad=1; }
done
# protobuf is for what is stored, with an allocator of ours
for object in $(objects lib/ccc); do
    case $object in */lib/ccc/records/*) continue ;; esac
    nm -u "$object" | grep -E ' protobuf_c_' && { echo "check: $object knows protobuf" >&2; bad=1; }
done
check '^$' "$build"/lib/host/fault.o
# no component's object may name a host, a link or the seeded generator of the virtual world
for object in $(objects $components lib/can lib/msg lib/crypto lib/pki lib/ccc lib/uds lib/http lib/html lib/mail); do
    nm -u "$object" | grep -E ' (virtual_|seeded_|process_|link_|can_socket|sqlite|hub_|node_)' &&
        { echo "check: $object knows its host" >&2; bad=1; }
done
scripts/check-ends.sh "$1" || bad=1
# and no component's program contains it
for program in bin/zygote bin/hub $(ls tests/*/cast.c | sed 's,cast.c$,bin/zygote,'); do
    nm "$1/$program" 2>/dev/null | grep -q ' seeded_' && { echo "check: $program contains the seeded generator" >&2; bad=1; }
done
exit $bad
