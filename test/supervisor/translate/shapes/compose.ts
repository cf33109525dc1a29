import { SERVER, type Shape, WORKER } from "./shape.ts";

const OFF = { enabled: false };

export const COMPOSE: readonly Shape[] = [
  {
    title: "the example voting app: Node.js, Python, Redis and PostgreSQL",
    from: "docker-compose.yml",
    files: {
      "docker-compose.yml": `services:
  vote:
    build: { context: ./vote, target: dev }
    command: python app.py
    depends_on:
      redis: { condition: service_healthy }
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost"]
      interval: 15s
      retries: 3
      start_period: 10s
    volumes: ["./vote:/usr/local/app"]
    ports: ["8080:80"]
    networks: [front-tier, back-tier]
  result:
    build: ./result
    entrypoint: node server.js
    depends_on:
      db: { condition: service_healthy }
    ports: ["8081:<PORT>", "127.0.0.1:9229:9229"]
  worker:
    build: { context: ./worker }
    command: node worker.js
    restart: always
  redis:
    image: redis:alpine
    volumes: ["./healthchecks:/healthchecks"]
    healthcheck: { test: /healthchecks/redis.sh, interval: "5s" }
  db:
    image: postgres:15-alpine
    environment: { POSTGRES_USER: "postgres", POSTGRES_PASSWORD: "postgres" }
    volumes: ["db-data:/var/lib/postgresql/data"]
networks: { front-tier: {}, back-tier: {} }
volumes: { db-data: {} }
`,
      "result/server.js": SERVER,
      "vote/app.py": "",
      "worker/worker.js": WORKER,
    },
    services: {
      vote: {
        run: ["python", "app.py"],
        cwd: "vote",
        ready: { http: "http://127.0.0.1:80/", timeout: "55s" },
        dependsOn: { redis: "ready" },
        restart: "never",
      },
      result: { node: "server.js", cwd: "result", listen: 3000 },
      worker: { node: "worker.js", cwd: "worker" },
      redis: OFF,
      db: OFF,
    },
    dropped: ["12 volumes", "14 networks", "28 healthcheck", "33 networks", "34 volumes"],
  },
  {
    title: "awesome-compose: React, Express and MongoDB",
    from: "compose.yaml",
    files: {
      "compose.yaml": `services:
  frontend:
    build: frontend
    ports: ["3001:3001"]
    depends_on: [backend]
    stdin_open: true
  backend:
    container_name: backend
    restart: always
    build: backend
    expose: ["<PORT>"]
    environment: ["PORT=<PORT>", "MONGO_URL=mongodb://mongo:27017/todos"]
    depends_on: [mongo]
  mongo:
    image: mongo:4.2.0
    restart: always
    volumes: ["mongo_data:/data/db"]
volumes: { mongo_data: }
`,
      "frontend/Dockerfile": 'FROM node:lts\nWORKDIR /code\nCOPY . .\nCMD [ "npm", "start" ]\n',
      "frontend/package.json": '{ "scripts": { "start": "PORT=3001 node server.js" } }',
      "frontend/server.js": SERVER,
      "backend/Dockerfile": 'FROM node:lts\nENTRYPOINT ["node"]\nCMD ["index.js"]\n',
      "backend/index.js": SERVER,
    },
    services: {
      frontend: {
        run: ["npm", "start"],
        cwd: "frontend",
        listen: 3001,
        dependsOn: { backend: "started" },
      },
      backend: {
        node: "index.js",
        cwd: "backend",
        env: { PORT: "3000", MONGO_URL: "mongodb://127.0.0.1:27017/todos" },
      },
      mongo: OFF,
    },
    dropped: ["18 volumes"],
  },
  {
    title: "Umami: an image with a database and a health check",
    from: "docker-compose.yml",
    files: {
      "docker-compose.yml": `version: '3'
services:
  umami:
    image: ghcr.io/umami-software/umami:postgresql-latest
    ports: ["3000:3000"]
    environment:
      DATABASE_URL: postgresql://umami:umami@db:5432/umami
      APP_SECRET: \${APP_SECRET:?set it}
    depends_on: { db: { condition: service_healthy } }
    init: true
    restart: always
    healthcheck:
      test: ["CMD-SHELL", "curl http://localhost:3000/api/heartbeat"]
      interval: 5s
  db:
    image: postgres:15-alpine
    healthcheck: { test: ["CMD-SHELL", "pg_isready -U $\${POSTGRES_USER}"] }
    restart: always
volumes: { umami-db-data: }
`,
    },
    services: {
      umami: { ...OFF, ready: { http: "http://127.0.0.1:3000/api/heartbeat" } },
      db: { ...OFF, ready: { tcp: "127.0.0.1:5432" } },
    },
    dropped: ["19 volumes"],
  },
  {
    title: "n8n: variables, .env and a worker",
    from: "compose.yaml",
    files: {
      "compose.yaml": `x-shared: &shared
  restart: unless-stopped
  environment:
    QUEUE_HOST: redis
    ENCRYPTION_KEY: \${ENCRYPTION_KEY}
    LEVEL: \${LEVEL:-info}
services:
  n8n:
    <<: *shared
    build: .
    command: ["node", "server.js"]
    ports: ["\${N8N_PORT:-<PORT>}:<PORT>"]
  n8n-worker:
    <<: *shared
    build: .
    command: node worker.js worker
    deploy: { replicas: 2, resources: { limits: { memory: 1g } } }
  redis:
    image: redis:6-alpine
`,
      ".env": "ENCRYPTION_KEY=hunter2hunter2\n",
      "server.js": SERVER,
      "worker.js": WORKER,
    },
    services: {
      n8n: {
        node: "server.js",
        listen: 3000,
        env: { QUEUE_HOST: "127.0.0.1", ENCRYPTION_KEY: "hunter2hunter2", LEVEL: "info" },
      },
      "n8n-worker": { node: "worker.js", args: ["worker"], replicas: 2 },
      redis: OFF,
    },
    dropped: ["17 deploy"],
  },
  {
    title: "Outline: the long forms of ports and files of variables",
    from: "docker-compose.yml",
    files: {
      "docker-compose.yml": `name: outline
services:
  outline:
    build: { context: ., dockerfile: docker/Dockerfile.base }
    env_file:
      - path: ./docker.env
      - path: ./local.env
        required: false
    ports:
      - target: <PORT>
        published: "<PORT>"
        host_ip: 127.0.0.1
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    user: "1001"
    logging: { driver: json-file }
`,
      "docker.env": "URL=http://localhost\n",
      "docker/Dockerfile.base": "FROM node\nCMD node server.js\n",
      "server.js": SERVER,
    },
    services: {
      outline: {
        node: "server.js",
        envFile: ["./docker.env", "./local.env?"],
        listen: "127.0.0.1:3000",
        stop: { signal: "SIGINT", grace: "90s" },
      },
    },
    dropped: ["15 user", "16 logging"],
  },
  {
    title: "a development setup: the node image with the project mounted",
    runs: true,
    from: "docker-compose.yml",
    files: {
      "docker-compose.yml": `services:
  app:
    image: node:20
    working_dir: /app/site
    volumes: ["./:/app", "/app/node_modules"]
    command: sh -c "node migrate.js && node server.js"
    ports: [ "<PORT>:<PORT>" ]
    environment: { PORT: <PORT>, HOME_PAGE: }
    tty: true
  mail:
    image: mailhog/mailhog
    profiles: [debug]
`,
      "site/server.js": SERVER,
      "site/migrate.js": "",
    },
    services: {
      app: {
        run: "node migrate.js && node server.js",
        cwd: "site",
        listen: 3000,
        env: { PORT: "3000" },
        passEnv: ["HOME_PAGE"],
      },
      mail: OFF,
    },
  },
  {
    title: "Ghost: two images, nothing of the project",
    from: "compose.yaml",
    files: {
      "compose.yaml": `services:
  ghost:
    image: ghost:5-alpine
    restart: on-failure:3
    ports: ["8080:2368"]
    environment: { database__connection__host: db, url: "http://localhost:8080" }
  db:
    image: mysql:8.0
    healthcheck: { test: mysqladmin ping -h localhost }
`,
    },
    services: {
      ghost: {
        ...OFF,
        restart: { policy: "on-failure", max: 3 },
        env: { database__connection__host: "127.0.0.1", url: "http://localhost:8080" },
      },
      db: { ...OFF, ready: { tcp: "127.0.0.1:3306" } },
    },
  },
  {
    title: "Immich: several services of one image family",
    from: "docker-compose.yml",
    files: {
      "docker-compose.yml": `name: immich
services:
  immich-server:
    container_name: immich_server
    image: ghcr.io/immich-app/immich-server:\${IMMICH_VERSION:-release}
    volumes: ["\${UPLOAD_LOCATION}:/data", "/etc/localtime:/etc/localtime:ro"]
    env_file: [.env]
    ports: ["2283:2283"]
    depends_on: [redis, database]
    restart: always
    healthcheck: { disable: false }
  redis:
    image: docker.io/valkey/valkey:8-bookworm
    healthcheck: { test: redis-cli ping || exit 1 }
    restart: always
  database:
    image: ghcr.io/immich-app/postgres:14
    shm_size: 128mb
`,
      ".env": "UPLOAD_LOCATION=./library\n",
    },
    services: { "immich-server": { ...OFF, envFile: ".env" }, redis: OFF, database: OFF },
    dropped: ["11 healthcheck", "18 shm_size"],
  },
];
