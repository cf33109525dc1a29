import { defineConfig, type Config } from "../../src/index.ts";

const config: Config = defineConfig({
  name: "sequential-worker",
  services: {
    web: { node: "server.ts", listen: "127.0.0.1:5000", replicas: 4 },
  },
});

export default config;
