# The agent alone, on an empty base: one static binary, no shell, no package to patch.
#
#   docker build -t ovn-bgp-agent .
#   docker run --network host --cap-drop ALL --cap-add NET_ADMIN --cap-add NET_RAW --cap-add NET_BIND_SERVICE \
#     --security-opt systempaths=unconfined -v /etc/ovn-bgp-agent:/etc/ovn-bgp-agent:ro -v /run/openvswitch:/run/openvswitch -v /etc/iproute2:/etc/iproute2 ovn-bgp-agent
#
# `--target debian` gives the same on debian:trixie-slim, with a shell and iproute2 to look around with.

ARG RUST=1.95

FROM rust:${RUST}-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    ./build.sh /out

FROM debian:trixie-slim AS debian
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates iproute2 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/ovn-bgp-agent /usr/bin/ovn-bgp-agent
RUN ln -s ovn-bgp-agent /usr/bin/bgp-agent
ENTRYPOINT ["/usr/bin/ovn-bgp-agent"]
CMD ["--config-dir", "/etc/ovn-bgp-agent"]

FROM scratch
COPY --from=build /out/ovn-bgp-agent /usr/bin/ovn-bgp-agent
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENTRYPOINT ["/usr/bin/ovn-bgp-agent"]
CMD ["--config-dir", "/etc/ovn-bgp-agent"]
