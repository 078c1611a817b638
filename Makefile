# make run     everything on this machine: set-up, build, collector, sensor; Ctrl-C stops it
# make test    every test that CI runs
# make test-kernels  the sensor on other kernels, in virtual machines; KERNELS="6.1 6.12" TIERS=2 selects
# make test-arm64    the same on an emulated arm64 processor, built for it here
# make lint    format, clippy, licences        make fmt    formats
# make fuzz    any bytes through every decoder, TIME=60 seconds each; PART=name runs one
# make bench   figures into target/bench/results.json and docs/benchmarks.md; PART=name runs one part, DURATION=90s shortens it
SHELL := bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help run test test-kernels test-arm64 fuzz bench fmt lint

help:
	@sed -n '/^# /!q; s/^# //p' Makefile

run:
	@exec deploy/run.sh

test:
	@deploy/setup.sh test
	@deploy/test.sh

test-kernels:
	@deploy/setup.sh test
	@deploy/setup.sh kernels
	@deploy/test-kernels.sh

test-arm64:
	@deploy/setup.sh test
	@KERNELS=6.12 deploy/setup.sh kernels
	@deploy/setup.sh arm64
	@deploy/test-arm64.sh

fuzz:
	@deploy/setup.sh test
	@deploy/fuzz.sh $(or $(TIME),60) $(PART)

bench:
	@deploy/setup.sh test
	@deploy/bench.sh $(if $(DURATION),--duration $(DURATION)) $(PART)

# What is built apart from the workspace.
APART := sensor-ebpf/src/main.rs $(wildcard sensor/fuzz/targets/*.rs)

fmt:
	cargo fmt --all
	rustfmt --edition 2024 $(APART)

lint:
	@deploy/setup.sh ci
	cargo fmt --all --check
	rustfmt --edition 2024 --check $(APART)
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny check bans licenses sources
