# Targets of the image; the Makefile at the top includes this file.
.PHONY: image image-test image-test-more flash

image: ## build/vpn-gateway-<version>-arm64.img.xz
	@ci/setup image
	@image/build

image-test: ## boot the built image in QEMU and test it
	@ci/setup image-test
	@image/qemu/test

image-test-more: ## The longer tests: WAN by command, ports of a Pi 3, phone, Wi-Fi, PPPoE, clock
	@ci/setup image-test
	@image/qemu/test --more

flash: ## write the built image to DEVICE=/dev/sdX
	@ci/setup flash
	@image/flash "$(DEVICE)"
