#!/bin/sh
# Builds the release binary, statically linked: it runs on any Linux of its architecture, whatever its libc.
#
#   ./build.sh [DIR]        puts ovn-bgp-agent into DIR (default: target/static)
set -eu
cd "$(dirname "$0")"
out=${1:-target/static}
arch=$(uname -m)
target=$arch-unknown-linux-gnu

# glibc is linked in: the agent looks up no names but those of ovsdb remotes and loads no plug-ins.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
  cargo build --release --locked --bin ovn-bgp-agent --target "$target"

mkdir -p "$out"
install -m 755 "target/$target/release/ovn-bgp-agent" "$out/ovn-bgp-agent"
if readelf -l "$out/ovn-bgp-agent" 2>/dev/null | grep -q INTERP; then
  echo "build.sh: $out/ovn-bgp-agent is not static" >&2
  exit 1
fi
ls -l "$out/ovn-bgp-agent"
