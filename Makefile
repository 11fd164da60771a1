# What one does here. `make test` and `make demo` install what a fresh Debian machine lacks (as root).

.DEFAULT_GOAL := build
.PHONY: build release demo test bench chaos lint fmt fuzz-smoke setup lab image clean

CARGO ?= cargo
FUZZ_SECONDS ?= 20

build: setup
	$(CARGO) build

release: setup
	$(CARGO) build --release

# A database that a real Neutron wrote, OVS, a leaf router, the agent: the whole way of a floating IP, in a few minutes.
demo: setup
	$(CARGO) build --bin ovn-bgp-agent
	$(CARGO) run --quiet -p interop --bin lab -- demo --agent target/debug/ovn-bgp-agent

# Every tier. Ends with the line `N passed, N failed, N skipped`.
test: setup
	./.ci/test

# Our speaker beside BIRD, FRR and GoBGP, by one tester; from a row in OVN to an UPDATE at a peer, also of type 5 (in a virtual machine where the
# kernel has no VRF); then the parts (criterion).
# SNAPSHOT is a directory with nb.db.gz and sb.db.gz of a large cloud; without it one is made.
SOAK ?= 60
SNAPSHOT ?=
bench: setup
	$(CARGO) build --release --bin ovn-bgp-agent
	$(CARGO) run --release --quiet -p interop --bin lab -- bench --agent target/release/ovn-bgp-agent --soak $(SOAK) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT))
	$(CARGO) run --quiet -p interop --bin lab -- latency --agent target/release/ovn-bgp-agent
	$(CARGO) run --release --quiet -p interop --bin lab -- latency tenants --agent target/release/ovn-bgp-agent
	$(CARGO) bench --workspace

# So many random changes on a living OVN with three agents and two leaves; the same ones for the same seed.
CHANGES ?= 10000
SEED ?= 1
DRIVER ?= nb
TENANTS ?= hosts
chaos: setup
	$(CARGO) build --release --bin ovn-bgp-agent
	$(CARGO) run --quiet -p interop --bin lab -- chaos --agent target/release/ovn-bgp-agent --driver $(DRIVER) --tenants $(TENANTS) --changes $(CHANGES) --seed $(SEED)

fmt:
	$(CARGO) fmt --all

lint: setup
	./.ci/lint

# Each fuzz target of bgp/fuzz for FUZZ_SECONDS seconds, on the stable toolchain.
fuzz-smoke: setup
	./.ci/fuzz-smoke $(FUZZ_SECONDS)

# The lab's command: make lab ARGS="run interop/topologies/leaf-agent.clab.yml"
lab: setup
	$(CARGO) run --quiet -p interop --bin lab -- $(ARGS)

image:
	docker build -t ovn-bgp-agent .

# Debian packages and the Rust toolchain, where they are missing.
setup:
	@./.ci/setup

clean:
	$(CARGO) clean
