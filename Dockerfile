# The images of Tandem: one file, one target for each binary.
#
#   docker build --target api    -t tandem/api .
#   docker build --target worker -t tandem/worker .
#   docker build --target tandem -t tandem/tandem .
#
# For several architectures, cross-compiled on this one:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --target api .
#
# "make images" builds all three and stamps them. BuildKit is needed (the default
# since Docker 23; DOCKER_BUILDKIT=1 before).

ARG GO_IMAGE=golang:1.26-bookworm
ARG RUN_IMAGE=gcr.io/distroless/static-debian12:nonroot

# What the binaries are made of. go.mod comes first, so that a change of the code
# does not fetch the libraries again.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod \
    go mod download
COPY cmd cmd
COPY internal internal
# The owner of the images' /data, which has to be in them: a volume that is
# mounted there for the first time takes its owner from it.
RUN mkdir -p /out/data
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOFLAGS="-trimpath -buildvcs=false -mod=readonly"

# One stage for each binary: only what a target needs is compiled, and those
# that are wanted together are compiled at once, from one cache.
FROM source AS build-api
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -ldflags "-s -w -X github.com/tandemq/tandem/cmd/internal/boot.linkedVersion=$VERSION" -o /out/api ./cmd/api

FROM source AS build-worker
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -ldflags "-s -w -X github.com/tandemq/tandem/cmd/internal/boot.linkedVersion=$VERSION" -o /out/worker ./cmd/worker

FROM source AS build-tandem
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -ldflags "-s -w -X github.com/tandemq/tandem/cmd/internal/boot.linkedVersion=$VERSION" -o /out/tandem ./cmd/tandem

# What all images share: certificates, time zones, nobody as the user, no shell.
# Everything is written to /data or /tmp, so the root can be read-only.
FROM ${RUN_IMAGE} AS run
COPY --from=source --chown=65532:65532 /out/data /data
ENV DATA_DIR=/data LOG_FORMAT=json
USER 65532:65532
ARG VERSION=
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.vendor="Tandem" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/tandemq/tandem" \
      org.opencontainers.image.documentation="https://github.com/tandemq/tandem/blob/main/docs/operations.md" \
      org.opencontainers.image.base.name="gcr.io/distroless/static-debian12:nonroot" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"

FROM run AS api
LABEL org.opencontainers.image.title="tandem-api" \
      org.opencontainers.image.description="Accepts requests and answers as soon as the job is safe in Redis."
COPY --from=build-api /out/api /api
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=6s --start-period=40s --retries=3 CMD ["/api", "healthcheck"]
ENTRYPOINT ["/api"]

FROM run AS worker
LABEL org.opencontainers.image.title="tandem-worker" \
      org.opencontainers.image.description="Runs jobs: sends mails, makes exports and reports."
COPY --from=build-worker /out/worker /worker
EXPOSE 8082
HEALTHCHECK --interval=5s --timeout=6s --start-period=40s --retries=3 CMD ["/worker", "healthcheck"]
ENTRYPOINT ["/worker"]

# Everything in one process. Its listeners are for the machine it runs on until
# HOST and keys are set, so without them publish its ports with --network host.
FROM run AS tandem
LABEL org.opencontainers.image.title="tandem" \
      org.opencontainers.image.description="api, worker, Redis, database and mail catcher in one process, for a try."
COPY --from=build-tandem /out/tandem /tandem
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=6s --start-period=40s --retries=3 CMD ["/tandem", "healthcheck"]
ENTRYPOINT ["/tandem"]
