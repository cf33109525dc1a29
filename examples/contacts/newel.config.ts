import { defineConfig, type Config } from "../../src/index.ts";

const config: Config = defineConfig({
  name: "contacts",
  services: {
    web: {
      node: "server.ts",
      listen: "127.0.0.1:3000",
      replicas: 2,
      ready: { http: "/healthz" },
    },
  },
  jobs: { modules: "jobs.ts" },
});

export default config;
