#!/bin/bash -e
# From the root to the same image as Debian's: two system slots, data partition, no mounts.
repo=$(cd "${STAGE_DIR}/../../.." && pwd)
export SOURCE_DATE_EPOCH
unmount "${ROOTFS_DIR}"
rm -f "${ROOTFS_DIR}"/boot/initrd.img-*
"$repo/image/initrd" "${ROOTFS_DIR}"
python3 -I "$repo/image/clean.py" "${ROOTFS_DIR}"
bash "$repo/image/assemble" "${ROOTFS_DIR}" "${STAGE_WORK_DIR}/out" "vpn-gateway-${VERSION}-raspios-arm64"
mkdir -p "${DEPLOY_DIR}"
cp "${STAGE_WORK_DIR}"/out/* "${DEPLOY_DIR}/"
