import { defineConfig, type Config } from "../../src/index.ts";

const config: Config = defineConfig({
  name: "shop",
  services: {
    web: {
      node: "server.ts",
      listen: "127.0.0.1:3000",
      replicas: 2,
      ready: { http: "/healthz" },
      // An open page has a stream that never ends by itself; a reload waits for it this long.
      stop: { grace: "4s" },
    },
    clock: { run: "while true; do date; sleep 1; done" },
  },
});

export default config;
