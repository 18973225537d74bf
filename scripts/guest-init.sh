#!/bin/busybox sh
# Process 1 of the guest: loads the modules, puts the host's files under a memory overlay, runs the command that the
# host left in the shared folder, leaves its exit code there.
B=/bin/busybox
$B mkdir -p /proc /sys /dev /host /rw /new
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
for m in $($B cat /mods/order); do $B insmod "/mods/$m.ko" 2>/dev/null; done
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host
$B mount -t tmpfs tmpfs /rw
$B mkdir /rw/u /rw/w
$B mount -t overlay -o lowerdir=/host,upperdir=/rw/u,workdir=/rw/w overlay /new
$B mount -t proc proc /new/proc
$B mount -t sysfs sys /new/sys
$B mount -t devtmpfs dev /new/dev
$B mkdir -p /new/dev/pts /new/dev/shm
$B ln -s /proc/self/fd /new/dev/fd
$B mount -t devpts devpts /new/dev/pts
for d in dev/shm run tmp; do $B mount -t tmpfs tmpfs /new/$d; done
$B mkdir -p /new/tmp/share /new/tmp/tree
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro tree /new/tmp/tree
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=none share /new/tmp/share
$B ip link set lo up
$B stty -F /dev/hvc0 raw -echo
$B chroot /new /bin/sh -c 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
  cd /tmp; /bin/sh /tmp/share/cmd >/dev/hvc0 2>&1 </dev/null; echo $? >/tmp/share/rc'
$B poweroff -f
