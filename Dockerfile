# One image for every command: control, sidecar and the rest of `outrider --help`.
#
#   docker build -t outrider .
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#     -v outrider-data:/var/lib/outrider -p 15412:15412 outrider control
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges --network container:APP \
#     -e OUTRIDER_JOIN_TOKEN outrider sidecar --control-address control:15412 --inbound 0.0.0.0:15406=127.0.0.1:8080
#
# Only /var/lib/outrider is ever written to, and only by `control`. The image holds Node, the libraries that it links,
# and Outrider: no shell, no package manager.

ARG NODE_IMAGE=node:24.20.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /outrider
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build

FROM ${NODE_IMAGE} AS runtime
WORKDIR /root/image/outrider
COPY package.json package-lock.json .npmrc ./
# Node comes from the official image here, not from npm's optional packages; of those only koffi is left.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node-linux-* node_modules/.bin
WORKDIR /root/image
RUN mkdir -p etc tmp usr/local/bin var/lib/outrider \
  && cp /usr/local/bin/node usr/local/bin/node \
  && ldd /usr/local/bin/node | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory=. \
  && echo 'outrider:x:15400:15400::/var/lib/outrider:/sbin/nologin' > etc/passwd \
  && echo 'outrider:x:15400:' > etc/group \
  && echo 'hosts: files dns' > etc/nsswitch.conf \
  && chmod 1777 tmp && chmod 0700 var/lib/outrider
COPY bin outrider/bin
COPY --from=build /outrider/dist outrider/dist
COPY LICENSE outrider/

FROM scratch
COPY --from=runtime /root/image/ /
COPY --from=runtime --chown=15400:15400 /root/image/var/lib/outrider /var/lib/outrider
ENV NODE_ENV=production PATH=/usr/local/bin
WORKDIR /outrider
USER 15400:15400
VOLUME /var/lib/outrider
# outbound, inbound, health, metrics, control gRPC; admin (15400) stays on loopback
# 15401 and the admin ports listen on loopback: they are for the containers of the same pod.
EXPOSE 15406 15412
# For a sidecar. For a control server set OUTRIDER_ADMIN=127.0.0.1:15490, where its own admin endpoint is.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch(`http://${process.env.OUTRIDER_ADMIN ?? '127.0.0.1:15400'}/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/outrider"]
CMD ["--help"]
