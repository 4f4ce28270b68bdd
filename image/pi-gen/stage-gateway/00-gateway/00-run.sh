#!/bin/bash -e
# Apply the playbook to the root from outside, by the chroot connection, as image/build does for Debian.
repo=$(cd "${STAGE_DIR}/../../.." && pwd)

missing=
for program in ansible-playbook mksquashfs mmd bmaptool dtc; do command -v "$program" >/dev/null || missing=yes; done
python3 -c 'import pip' 2>/dev/null || missing=yes
[ -e /usr/share/ieee-data/oui.txt ] || missing=yes
if [ -n "$missing" ]; then
	# The container of pi-gen is thrown away afterwards; on a machine of your own this is the one thing installed.
	apt-get update -q
	apt-get install -y -q --no-install-recommends ansible bmap-tools device-tree-compiler ieee-data mtools python3-pip \
		squashfs-tools
fi

# on_chroot mounts what maintainer scripts need, and resolves names; the root is left mounted for Ansible's own chroot.
install -m 644 /etc/resolv.conf "${ROOTFS_DIR}/etc/resolv.conf"
work=${STAGE_WORK_DIR}/gateway
rm -rf "$work"
mkdir -p "$work"
export SOURCE_DATE_EPOCH
"$repo/image/tars" site "$work/site.tar"
"$repo/image/tars" overlay "$work/overlay.tar"
"$repo/image/tars" app "$work/site.tar" "$VERSION" "$work/app.tar"
"$repo/image/ansible" "${ROOTFS_DIR}" system,app "$work/overlay.tar" "$work/app.tar"

# Only one kernel is shipped: the 4 KiB-page one starts every model.
on_chroot <<CHROOT
set -e
dpkg-query -W -f '\${Package}\n' 'linux-image-*-2712' 'linux-headers-*' 2>/dev/null | xargs -r apt-get purge -y
apt-get autoremove -y --purge
CHROOT
