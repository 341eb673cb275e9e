# syntax and base are plain: any builder takes it. `docker build -t asg-ingest .`
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/copy-lua.mjs scripts/bundle.mjs ./scripts/
COPY src ./src
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No dependency needs its install script: native parts come as prebuilt optional packages.
RUN npm ci --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules /app/node_modules
COPY --from=build /src/dist /app/dist
COPY package.json /app/
# The one place that is written to besides /tmp: results in a directory, spools. A volume made of it is the user's, too.
RUN mkdir /data && chown node:node /data
WORKDIR /data
# By number, as Kubernetes' runAsNonRoot cannot look names up: the image's user `node`.
USER 1000:1000
# No tini: node is told of SIGTERM as process 1 since it listens for it, and starts no children when Redis and the Gateway
# are elsewhere. With --sandbox or the embedded Redis use `docker run --init`.
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["work"]
EXPOSE 9464
# For `work`, and other commands with a metrics port.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ASG_METRICS_PORT||9464}/healthz`).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
