# make run     everything on this machine: set-up, build, collector, sensor; Ctrl-C stops it
# make test    every test that CI runs
# make lint    format, clippy, licences        make fmt    formats
# make bench   figures into target/bench/results.json and docs/benchmarks.md; PART=name runs one part, DURATION=90s shortens it
SHELL := bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help run test bench fmt lint

help:
	@sed -n 's/^# //p' Makefile

run:
	@exec deploy/run.sh

test:
	@deploy/setup.sh test
	@deploy/test.sh

bench:
	@deploy/setup.sh test
	@deploy/bench.sh $(if $(DURATION),--duration $(DURATION)) $(PART)

fmt:
	cargo fmt --all

lint:
	@deploy/setup.sh ci
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny check bans licenses sources
