#!/bin/sh
# guest-test.sh BUILD: boots a small virtual machine with Debian's own kernel under plain emulation, the host's files
# read-only under a memory overlay, the checkout wherever it lies, and runs scripts/kernel-can.sh in it. Nothing is installed into the running system.
set -eu
build=$1
here=$(pwd)
guest=$build/guest
limit_s=${GUEST_LIMIT_S:-600}

# ---- the kernel: Debian's current one, by name, unpacked and not installed ----
package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
if [ -z "$package" ]; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
fi
[ -n "$package" ] || { echo "guest-test: Debian's linux-image-amd64 cannot be found; is apt set up?" >&2; exit 3; }
version=${package#linux-image-}
tree=$guest/$version
if [ ! -e "$tree/ready" ]; then
    echo "  guest      kernel $version"
    rm -rf "$guest"
    mkdir -p "$tree"
    (cd "$tree" && apt-get -o APT::Sandbox::User=root download -qq "$package" && for deb in "$package"_*.deb; do dpkg-deb --fsys-tarfile "$deb"; done |
        tar x ./boot "./lib/modules/$version/kernel/net" "./lib/modules/$version/kernel/drivers/net" \
            "./lib/modules/$version/kernel/drivers/virtio" "./lib/modules/$version/kernel/drivers/char" \
            "./lib/modules/$version/kernel/fs" "./lib/modules/$version/kernel/lib" \
            "./lib/modules/$version/modules.builtin" "./lib/modules/$version/modules.order"
        rm -f ./*.deb)
    /sbin/depmod -b "$tree" "$version" 2>/dev/null
    offset=$(LC_ALL=C grep -abo -P '\xfd7zXZ\x00' "$tree/boot/vmlinuz-$version" | head -n 1 | cut -d: -f1)
    tail -c +$((offset + 1)) "$tree/boot/vmlinuz-$version" | xz -dc --single-stream >"$tree/vmlinux" 2>/dev/null || true
    [ -s "$tree/vmlinux" ] || { echo "guest-test: the kernel image cannot be unpacked" >&2; exit 3; }

    # ---- a first root file system: busybox, the modules in their order, one init ----
    root=$tree/initrd
    mkdir -p "$root/bin" "$root/mods"
    cp "$(command -v busybox)" "$root/bin/busybox"
    : >"$root/mods/order"
    for module in virtio_pci virtio_console virtio_rng 9pnet_virtio 9p overlay can-raw can-isotp vcan; do
        /sbin/modprobe -d "$tree" -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
        name=$(basename "$file" .ko)
        cp "$file" "$root/mods/$name.ko"
        strip --strip-debug "$root/mods/$name.ko"
        echo "$name" >>"$root/mods/order"
    done
    cp scripts/guest-init.sh "$root/init"
    chmod 755 "$root/init"
    (cd "$root" && find . | cpio -o -H newc 2>/dev/null) >"$tree/initrd.cpio"
    : >"$tree/ready"
fi
cp scripts/guest-init.sh "$tree/initrd/init"
(cd "$tree/initrd" && find . | cpio -o -H newc 2>/dev/null) >"$tree/initrd.cpio"

# ---- one boot ----
share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT INT TERM
cat >"$share/cmd" <<CMD
cd /tmp/tree
SPAAKSIM_SHARE=/tmp/share scripts/kernel-can.sh $build
CMD
echo 255 >"$share/rc"
echo "  guest      boots (at most $limit_s s)"
set +e
timeout --kill-after=5 "$limit_s" qemu-system-x86_64 -accel tcg -M q35 -m 768 -smp 2 -nodefaults -no-user-config -display none \
    -no-reboot -kernel "$tree/vmlinux" -initrd "$tree/initrd.cpio" \
    -append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check" \
    -serial "file:$share/kernel.log" -device virtio-rng-pci -device virtio-serial-pci \
    -chardev stdio,id=c0,signal=off -device virtconsole,chardev=c0 \
    -fsdev local,id=f0,path=/,security_model=none,readonly=on,multidevs=remap \
    -device virtio-9p-pci,fsdev=f0,mount_tag=host \
    -fsdev "local,id=f2,path=$here,security_model=none,readonly=on,multidevs=remap" -device virtio-9p-pci,fsdev=f2,mount_tag=tree \
    -fsdev "local,id=f1,path=$share,security_model=none" -device virtio-9p-pci,fsdev=f1,mount_tag=share </dev/null
rc=$?
set -e
result=$(cat "$share/rc")
if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
    echo "guest-test: the machine hung and was killed after $limit_s s" >&2
    tail -n 20 "$share/kernel.log" >&2
    exit 1
fi
if [ "$result" = 255 ]; then
    echo "guest-test: the machine ended before the tests did" >&2
    tail -n 20 "$share/kernel.log" >&2
    exit 1
fi
mkdir -p out/guest
cp -r "$share"/out/. out/guest/ 2>/dev/null || true
exit "$result"
