# The operator alone, as one static program in an empty image: no shell, no shared library, no emulator.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The C library is linked in; --target keeps the flag from reaching build scripts and procedural macros.
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN target="$(uname -m)-unknown-linux-gnu" \
    && cargo build --locked --release --package teal --no-default-features --target "$target" \
    && mkdir -p /image/etc/ssl/certs \
    && cp "target/$target/release/teal" LICENSE NOTICE /image/ \
    && apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch
COPY --from=build /image/ /
# Nobody in particular: the program writes no file and opens no port below 1024.
USER 65532:65532
# Metrics, health and status, read-only; `teal health` asks there too.
ENV TEAL_LISTEN=0.0.0.0:9180
EXPOSE 9180
# The operator ends at a step boundary, and says in the record that it handed over.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["/teal", "health"]
ENTRYPOINT ["/teal"]
CMD ["run"]
