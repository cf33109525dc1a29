import { SERVER, type Shape, WORKER } from "./shape.ts";

export const PROCFILE: readonly Shape[] = [
  {
    title: "node-js-getting-started: one web process",
    from: "Procfile",
    files: { Procfile: "web: node index.js\n", "index.js": SERVER },
    environment: { PORT: "3000" },
    services: { web: { node: "index.js", listen: 3000, env: { PORT: 3000 } } },
  },
  {
    title: "Mastodon: Rails, Sidekiq and a Node.js server",
    from: "Procfile.dev",
    files: {
      "Procfile.dev": `web: env PORT=3000 RAILS_ENV=development bundle exec puma -C config/puma.rb
sidekiq: env PORT=3000 RAILS_ENV=development bundle exec sidekiq
stream: env PORT=4000 node ./streaming/index.js
vite: yarn run vite dev
`,
      "streaming/index.js": SERVER,
      "package.json": "{}",
    },
    services: {
      web: { run: "env PORT=3000 RAILS_ENV=development bundle exec puma -C config/puma.rb" },
      sidekiq: {},
      stream: { listen: 4000 },
      vite: { run: "yarn run vite dev" },
    },
  },
  {
    title: "Chatwoot: a release, a web server and workers",
    from: "Procfile",
    files: {
      Procfile: `release: POSTGRES_STATEMENT_TIMEOUT=600s bundle exec rails db:chatwoot_prepare
web: bundle exec rails ip_lookup:setup && bin/rails server -p $PORT -e $RAILS_ENV
worker: bundle exec rails ip_lookup:setup && bundle exec sidekiq -C config/sidekiq.yml
`,
    },
    services: {
      release: { restart: "never" },
      web: {
        dependsOn: { release: "completed" },
        ready: { tcp: "127.0.0.1:5000" },
        env: { PORT: 5000 },
      },
      worker: { dependsOn: { release: "completed" } },
    },
  },
  {
    title: "Django on Heroku: gunicorn and Celery",
    from: "Procfile",
    files: {
      Procfile: `web: gunicorn project.wsgi --bind 0.0.0.0:$PORT --log-file -
worker: celery -A project worker -l info
beat: celery -A project beat
`,
      ".env": "PORT=8000\nDJANGO_SETTINGS_MODULE=project.settings\n",
    },
    services: {
      web: { ready: { tcp: "127.0.0.1:8000" }, env: { PORT: 8000 } },
      worker: { run: "celery -A project worker -l info" },
      beat: {},
    },
  },
  {
    title: "Forem: npm scripts and comments",
    runs: true,
    from: "Procfile",
    files: {
      Procfile: `# the site
web: npm start

# jobs
worker: node --max-old-space-size=256 worker.js --queue default
`,
      "package.json": '{ "scripts": { "start": "node server.js" } }',
      "server.js": SERVER,
      "worker.js": WORKER,
    },
    environment: { PORT: "3000" },
    services: {
      web: { run: "npm start", listen: 3000 },
      worker: {
        node: "worker.js",
        nodeArgs: ["--max-old-space-size=256"],
        args: ["--queue", "default"],
      },
    },
  },
  {
    title: "Lobsters: one command with pipes",
    from: "Procfile",
    files: {
      Procfile:
        "web: bundle exec rails s 2>&1 | tee log/web.log\nclock: while true; do date; sleep 60; done\n",
    },
    services: { web: { run: "bundle exec rails s 2>&1 | tee log/web.log" }, clock: {} },
  },
];
