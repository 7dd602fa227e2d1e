# One image for every command: control, sidecar, redirect and the rest of `outrider --help`.
#
#   docker build -t outrider .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -v outrider-data:/var/lib/outrider -p 15412:15412 outrider control
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --network container:APP \
#     -e OUTRIDER_JOIN_TOKEN outrider sidecar --control-address control:15412 --inbound 0.0.0.0:15406=127.0.0.1:8080
#
# Only /var/lib/outrider is ever written to. What is in the image is made by image/build.ts, which runs without Docker too:
# docs/guides/image.md tells what that is, how to pin the base by its digest, and how to check the bill of materials.

# Exact, and the Node that package.json pins. It is thrown away: what is shipped of it is Node, libraries, nft and ip.
ARG NODE_IMAGE=node:24.20.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
ARG SOURCE_DATE_EPOCH=0
RUN apt-get update \
  && apt-get install --yes --no-install-recommends iproute2 nftables
WORKDIR /outrider
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN /usr/local/bin/node image/build.ts --out /image

FROM scratch
COPY --from=build /image/ /
COPY --from=build --chown=15400:15400 /image/var/lib/outrider /var/lib/outrider
# One arena of malloc in place of one for each thread: 1.7 MB less beside every workload. Set it to more where `workers` is more than 1.
ENV NODE_ENV=production PATH=/usr/local/bin MALLOC_ARENA_MAX=1
WORKDIR /outrider
USER 15400:15400
VOLUME /var/lib/outrider
# Inbound of a sidecar; gRPC of a control server. 15401 and the admin ports listen on loopback: they are for the containers of the same pod.
EXPOSE 15406 15412
# For a sidecar. For a control server set OUTRIDER_ADMIN=127.0.0.1:15490, where its own admin endpoint is.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://${process.env.OUTRIDER_ADMIN ?? '127.0.0.1:15400'}/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/outrider"]
CMD ["--help"]
