import { SERVER, type Shape, WORKER } from "./shape.ts";

export const PM2: readonly Shape[] = [
  {
    title: "Uptime Kuma: one script below server/",
    runs: true,
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `module.exports = {
  apps: [{
    name: "uptime-kuma",
    script: "./server/server.js",
  }],
};
`,
      "server/server.js": SERVER,
    },
    services: { "uptime-kuma": { node: "server/server.js", listen: 3000 } },
  },
  {
    title: "Nuxt: a cluster of .output/server/index.mjs",
    from: "ecosystem.config.cjs",
    files: {
      "ecosystem.config.cjs": `module.exports = {
  apps: [
    {
      name: 'NuxtApp',
      port: '<PORT>',
      exec_mode: 'cluster',
      instances: 'max',
      script: './.output/server/index.mjs',
      env: { PORT: <PORT> },
    },
  ],
}
`,
      ".output/server/index.mjs": `import { createServer } from "node:http";
createServer((request, response) => response.end("ok")).listen(process.env.NITRO_PORT || process.env.PORT || 3000);
`,
    },
    services: {
      NuxtApp: {
        node: ".output/server/index.mjs",
        replicas: "cpus",
        listen: 3000,
        instanceVar: "NODE_APP_INSTANCE",
        passEnv: ["NITRO_PORT"],
      },
    },
    dropped: ["5 port"],
  },
  {
    title: "Next.js: the command of node_modules with a port",
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `module.exports = {
  apps: [{
    name: "site",
    script: "node_modules/next/dist/bin/next",
    args: "start -p <PORT>",
    cwd: __dirname,
    instances: 2,
    exec_mode: "cluster",
    max_memory_restart: "1G",
    env: { NODE_ENV: "production" },
  }],
};
`,
      "node_modules/next/dist/bin/next": `#!/usr/bin/env node\n${SERVER}`,
    },
    services: {
      site: {
        node: "node_modules/next/dist/bin/next",
        args: ["start", "-p", "3000"],
        listen: 3000,
        replicas: 2,
        maxMemory: "1GiB",
      },
    },
  },
  {
    title: "NestJS: dist/main.js with env_production",
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `const { name } = require("./package.json");
module.exports = {
  apps: [
    {
      name,
      script: "dist/main.js",
      instances: process.env.API_INSTANCES || 1,
      autorestart: true,
      watch: false,
      kill_timeout: 5000,
      env: { NODE_ENV: "development", PORT: <PORT> },
      env_production: { NODE_ENV: "production", DATABASE_URL: process.env.DATABASE_URL },
    },
  ],
};
`,
      "package.json": '{ "name": "api" }',
      "dist/main.js": SERVER,
    },
    environment: { DATABASE_URL: "postgres://app:hunter2hunter2@db/app", NODE_ENV: "production" },
    services: { api: { node: "dist/main.js", listen: 3000, stop: { grace: "5s" } } },
  },
  {
    title: "AdonisJS: build/bin/server.js as a module",
    from: "ecosystem.config.cjs",
    files: {
      "package.json": '{ "type": "module" }',
      "ecosystem.config.cjs": `module.exports = {
  apps: [{ name: 'web-app', script: './bin/server.js', cwd: 'build', instances: 1, exec_mode: 'cluster', autorestart: true }],
};
`,
      "build/bin/server.js": `import { createServer } from "node:http";
const { PORT = <PORT>, APP_KEY } = process.env;
createServer((request, response) => response.end(APP_KEY ?? "ok")).listen(PORT);
`,
    },
    services: {
      "web-app": { node: "bin/server.js", cwd: "build", listen: 3000, passEnv: ["APP_KEY"] },
    },
  },
  {
    title: "Strapi: npm with arguments",
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `module.exports = {
  apps: [
    {
      name: 'strapi',
      cwd: '<DIR>',
      script: 'npm',
      args: 'start',
      env: { NODE_ENV: 'production', PORT: '<PORT>' },
      error_file: './logs/err.log',
      out_file: './logs/out.log',
      log_date_format: 'YYYY-MM-DD HH:mm Z',
      min_uptime: '30s',
      max_restarts: 5,
    },
  ],
};
`,
      "package.json": '{ "scripts": { "start": "node server.js" } }',
      "server.js": SERVER,
    },
    services: {
      strapi: {
        run: ["npm", "start"],
        listen: 3000,
        restart: { max: 5, within: "150s" },
      },
    },
  },
  {
    title: "Directus: npx in a text, as JSON",
    from: "ecosystem.json",
    files: {
      "ecosystem.json": `{
  // the API
  "apps": [{
    "name": "directus",
    "script": "npx directus start",
    "env_file": ".env",
    "autorestart": true,
  }]
}
`,
      ".env": "LEVEL=info\n",
    },
    services: { directus: { run: "npx directus start", envFile: ".env" } },
  },
  {
    title: "Laravel: artisan by php, several workers",
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `module.exports = {
  apps: [
    {
      name: "queue worker",
      script: "artisan",
      args: ["queue:work", "--sleep=3", "--tries=3"],
      interpreter: "php",
      instances: 4,
      max_restarts: 0,
      restart_delay: 1000,
      user: "forge",
    },
    { name: "schedule", script: "artisan", args: "schedule:run", interpreter: "php", cron_restart: "* * * * *", autorestart: false },
  ],
};
`,
      artisan: "#!/usr/bin/env php\n",
    },
    services: {
      "queue-worker": {
        run: ["php", "artisan", "queue:work", "--sleep=3", "--tries=3"],
        replicas: 4,
        restart: { backoff: { min: "1s", max: "1s" } },
      },
      schedule: { run: ["php", "artisan", "schedule:run"], schedule: "* * * * *" },
    },
    dropped: ["11 user"],
  },
  {
    title: "Misskey-like: YAML, ES modules and a port in env",
    from: "ecosystem.config.yml",
    files: {
      "ecosystem.config.yml": `apps:
  - script: ./api.js
    name: api-app
    instances: 4
    exec_mode: cluster
    wait_ready: true
    listen_timeout: 10000
    env:
      PORT: <PORT>
  - script: ./worker.js
    name: worker
    watch: true
    exp_backoff_restart_delay: 100
`,
      "api.js": SERVER,
      "worker.js": WORKER,
    },
    services: {
      "api-app": { listen: 3000, replicas: 4, ready: { notify: true, timeout: "10s" } },
      worker: {
        node: "worker.js",
        watch: true,
        restart: { backoff: { min: "100ms", max: "15s" } },
      },
    },
  },
  {
    title: "Medusa: a server and a worker of one program, by expressions",
    runs: true,
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `require("dotenv").config();
const base = {
  script: "index.js",
  node_args: "--max-old-space-size=1024 --enable-source-maps",
  stop_exit_codes: [0],
};
module.exports = {
  apps: [
    { ...base, name: "server", env: { PORT: process.env.PORT || <PORT>, MEDUSA_WORKER_MODE: "server" } },
    { ...base, name: "worker", script: "worker.js", env: { MEDUSA_WORKER_MODE: "worker", REDIS_URL: process.env.REDIS_URL } },
  ],
};
`,
      "node_modules/dotenv/index.js": 'exports.config = () => process.loadEnvFile(".env");',
      ".env": "REDIS_URL=redis://127.0.0.1:6379\n",
      "index.js": SERVER,
      "worker.js": WORKER,
    },
    services: {
      server: {
        node: "index.js",
        nodeArgs: ["--max-old-space-size=1024", "--enable-source-maps"],
        restart: "on-failure",
        env: { PORT: 3000, MEDUSA_WORKER_MODE: "server" },
      },
      worker: { env: { MEDUSA_WORKER_MODE: "worker" } },
    },
  },
  {
    title: "RSSHub: a list of apps and a module of its own package",
    from: "pm2.config.js",
    files: {
      "pm2.config.js": `export default [
  { name: "rsshub", script: "lib/index.mjs", instances: -1, interpreter: "node", interpreterArgs: ["--no-deprecation"] },
];
`,
      "package.json": '{ "type": "module" }',
      "lib/index.mjs": `import { createServer } from "node:http";
createServer((request, response) => response.end("ok")).listen(<PORT>);
`,
    },
    services: { rsshub: { node: "lib/index.mjs", nodeArgs: ["--no-deprecation"], listen: 3000 } },
  },
  {
    title: "MeshCentral-like: one app without a list, and an old interpreter",
    from: "process.json",
    files: {
      "process.json": `{
  "name": "mesh",
  "script": "./mesh.js",
  "interpreter": "node@18.20.0",
  "merge_logs": true,
  "increment_var": "PORT",
  "instances": "3",
  "env": { "NODE_OPTIONS": "--no-deprecation", "DEBUG": true, "PORT": 4000, "TEMPLATE": "\${x}", "LIST": ["a"] }
}
`,
      "mesh.js": WORKER,
    },
    services: {
      mesh: {
        node: "mesh.js",
        env: {
          NODE_OPTIONS: "--no-deprecation",
          DEBUG: "true",
          PORT: "$(port)",
          TEMPLATE: "$${x}",
          LIST: '["a"]',
        },
      },
    },
    dropped: ["4 interpreter"],
  },
  {
    title: "Wiki.js: a program that handles SIGINT alone, on the port of another app",
    from: "ecosystem.config.js",
    files: {
      "ecosystem.config.js": `const shared = { PORT: 3000, NODE_ENV: "production" };
exports.apps = [
  { name: "wiki", script: "server", env: shared },
  { name: "wiki-jobs", script: "jobs.js", env: shared, out_file: "/dev/null", treekill: false },
];
`,
      "server/index.js": "",
      "server.js": `${SERVER}process.on("SIGINT", () => process.exit());\n`,
      "jobs.js": WORKER,
    },
    services: {
      wiki: { node: "server", listen: 3000, stop: { signal: "SIGINT" } },
      "wiki-jobs": { node: "jobs.js" },
    },
  },
];
