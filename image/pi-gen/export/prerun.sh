#!/bin/bash -e
# The exported root is a copy: assembling cleans it, and the stage's own stays as it is for the next run.
rm -rf "${ROOTFS_DIR}"
mkdir -p "${ROOTFS_DIR}"
rsync -aHAXx --exclude /var/cache/apt/archives "${EXPORT_ROOTFS_DIR}/" "${ROOTFS_DIR}/"
