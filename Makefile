# `make demo` and `make test` need nothing but the language toolchains: each installs what it uses.

CMD ?=
# Not `PORT`, which make would hand on to the app.
URL_PORT ?= 9000
FUZZ_SECONDS ?= 60
SOAK ?= 200000
SOAK_SEED ?= 1
ENVIRONMENTS ?= 200
CONCURRENCY ?= 5

.PHONY: help
help:
	@echo "make demo             the demo app behind the adapter behind a local Lambda, on http://127.0.0.1:$(URL_PORT)"
	@echo "make demo CMD='...'   another app, started with that command; it listens on \$$PORT"
	@echo "make test             every test; installs what they need"
	@echo "make examples         every example, the heavy ones too, in both shapes, with a table; EXAMPLE=name for one"
	@echo "make layer            the adapter and its bootstrap, laid out as a layer, for both architectures, in dist; this machine's in target/layer"
	@echo "make apps             WordPress, DokuWiki, Radicale and PocketBase, installed and taken through a journey each; as root"
	@echo "make bench            the adapter beside its peers and the least that a proxy can do, in 4 minutes"
	@echo "make bench-quick      the same in less than one"
	@echo "make bench-docs       the same as bench, and puts table and chart into docs"
	@echo "make bench-gate       instructions of an invocation against benches/instructions.toml"
	@echo "make bench-baseline   makes those of now the ones to compare with"
	@echo "make fuzz             every fuzz target for FUZZ_SECONDS (60) each"
	@echo "make soak             SOAK (200000) invocations with crashes, freezes and resets among them, by SOAK_SEED (1)"
	@echo "make streams          ENVIRONMENTS (200) with CONCURRENCY (5) slow streams each, all at once: lost, order, memory"
	@echo "make lint             format, clippy, docs and dependency checks"
	@echo "make docs             rewrites what the documentation takes from the code"
	@echo "make book             docs as a book, in target/book/index.html"

.PHONY: local
local:
	cargo build --locked --quiet --release --package streamgate-emulator --package streamgate

.PHONY: demo
demo: local
	$(if $(CMD),,cargo build --locked --quiet --release --package streamgate-demo)
	@$(if $(CMD),,echo "Open the page below, or:  curl -N http://127.0.0.1:$(URL_PORT)/stream")
	@exec target/release/streamgate-local --port $(URL_PORT) --adapter target/release/streamgate -- $(or $(CMD),target/release/streamgate-demo)

# Both zips with checksums, SBOMs and notices in dist; laid out in target/images for layer/Dockerfile, and this machine's in
# target/layer for `streamgate-local --opt`.
.PHONY: layer
layer:
	cargo run --locked --quiet --release --package streamgate-layer -- --images target/images x86_64 arm64
	mkdir -p target/layer/extensions
	install -m 755 "$$(layer/build)" target/layer/extensions/streamgate
	install -m 755 layer/bootstrap target/layer/bootstrap

.PHONY: setup
setup:
	integration-tests/setup/install

.PHONY: test
test: setup
	cargo test --locked --workspace
	@# AWS's own emulator is not to be had on every network; `setup` says so.
	[ ! -x target/tools/aws-lambda-rie ] || cargo test --locked --package integration-tests --test rie -- --ignored

# Which one; all when empty.
EXAMPLE ?=

.PHONY: examples
examples: setup
	EXAMPLE='$(EXAMPLE)' cargo test --locked --package integration-tests --test examples -- --ignored --nocapture

.PHONY: apps
apps:
	integration-tests/apps/run

BENCHES = cargo run --locked --quiet --release --package streamgate-benches --bin
GATE = cargo run --locked --quiet --profile gate --package streamgate-benches --bin instructions

.PHONY: bench bench-quick bench-docs
bench:
	$(BENCHES) bench

bench-quick:
	$(BENCHES) bench -- --quick

bench-docs:
	$(BENCHES) bench -- --write-docs

.PHONY: bench-gate bench-baseline
bench-gate:
	layer/install-packages valgrind
	$(GATE)

bench-baseline:
	layer/install-packages valgrind
	$(GATE) -- --write

.PHONY: fuzz
fuzz:
	fuzz/run $(FUZZ_SECONDS)

.PHONY: soak
soak:
	cargo build --locked --quiet --release --package streamgate-emulator
	STREAMGATE_LOCAL_BIN=$(CURDIR)/target/release/streamgate-local \
	    cargo run --locked --quiet --release --package integration-tests --bin soak -- $(SOAK) $(SOAK_SEED)

.PHONY: streams
streams:
	cargo build --locked --quiet --release --package streamgate-emulator
	STREAMGATE_LOCAL_BIN=$(CURDIR)/target/release/streamgate-local \
	    cargo run --locked --quiet --release --package integration-tests --bin streams -- $(ENVIRONMENTS) $(CONCURRENCY)

.PHONY: lint
lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

.PHONY: docs
docs:
	cargo test --locked --quiet --package streamgate --lib -- --ignored rewrite_the_documentation

MDBOOK_VERSION = 0.5.4

# mdBook without its server and its search, which would be most of its build.
.PHONY: book
book: target := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
book:
	[ -x $(target)/tools/bin/mdbook ] || cargo install --locked --quiet mdbook --version $(MDBOOK_VERSION) \
	    --no-default-features --root $(target)/tools
	$(target)/tools/bin/mdbook build docs --dest-dir $(target)/book
