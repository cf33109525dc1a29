import { SERVER, type Shape } from "./shape.ts";

export const SYSTEMD: readonly Shape[] = [
  {
    title: "a Node.js app with a migration and a socket unit",
    runs: true,
    from: ".",
    files: {
      "app.service": `[Unit]
Requires=app-migrate.service app.socket
After=app-migrate.service
[Service]
WorkingDirectory=<DIR>
ExecStart=<NODE> server.js
Restart=on-failure
`,
      "app-migrate.service":
        "[Service]\nType=oneshot\nWorkingDirectory=<DIR>\nExecStart=/bin/sh -c 'exit 0'\n",
      "app.socket": "[Socket]\nListenStream=127.0.0.1:<PORT>\n",
      "server.js": SERVER.replace("?? <PORT>", '?? <PORT>, "127.0.0.1"'),
    },
    services: {
      app: {
        listen: "127.0.0.1:3000",
        dependsOn: { "app-migrate": "completed" },
        restart: "on-failure",
      },
      "app-migrate": { run: "exit 0", restart: "never" },
    },
  },
  {
    title: "Gitea: limits, a user and a home",
    from: "gitea.service",
    files: {
      "gitea.service": `[Unit]
Description=Gitea (Git with a cup of tea)
After=network.target
Wants=postgresql.service

[Service]
# Uncomment the next line for a large repository
#LimitNOFILE=524288:524288
RestartSec=2s
Type=simple
User=git
Group=git
WorkingDirectory=<DIR>
ExecStart=/usr/local/bin/gitea web --config /etc/gitea/app.ini
Restart=always
Environment=USER=git HOME=/home/git GITEA_WORK_DIR=/var/lib/gitea

[Install]
WantedBy=multi-user.target
`,
    },
    services: {
      gitea: {
        run: ["/usr/local/bin/gitea", "web", "--config", "/etc/gitea/app.ini"],
        restart: { backoff: { min: "2s", max: "2s" } },
        env: { USER: "git", HOME: "/home/git", GITEA_WORK_DIR: "/var/lib/gitea" },
      },
    },
    dropped: ["11 User", "12 Group"],
  },
  {
    title: "Mastodon: three units that belong together, and a socket",
    from: [
      "mastodon-web.service",
      "mastodon-sidekiq.service",
      "mastodon-streaming.service",
      "mastodon-streaming.socket",
    ],
    files: {
      "mastodon-web.service": `[Unit]
Description=mastodon-web
After=network.target mastodon-sidekiq.service
[Service]
Type=simple
WorkingDirectory=<DIR>
Environment="RAILS_ENV=production"
Environment="PORT=3000"
ExecStart=/home/mastodon/.rbenv/shims/bundle exec puma -C config/puma.rb
ExecReload=/bin/kill -SIGUSR1 $MAINPID
TimeoutSec=15
Restart=always
ProtectHome=true
SystemCallFilter=~@cpu-emulation @debug \\
  @keyring
`,
      "mastodon-sidekiq.service": `[Service]
Environment="DB_POOL=25" "MALLOC_ARENA_MAX=2"
ExecStart=/home/mastodon/.rbenv/shims/bundle exec sidekiq -c 25
Restart=on-failure
TimeoutStopSec=1min 30s
`,
      "mastodon-streaming.service": `[Service]
Type=notify
ExecStart=/usr/bin/node ./streaming.js --name %p
UMask=0027
KillSignal=SIGINT
`,
      "mastodon-streaming.socket": "[Socket]\nListenStream=<PORT>\n",
      "streaming.js": SERVER,
    },
    services: {
      "mastodon-web": {
        dependsOn: { "mastodon-sidekiq": "ready" },
        ready: { timeout: "15s" },
        stop: { grace: "15s" },
        env: { RAILS_ENV: "production", PORT: "3000" },
      },
      "mastodon-sidekiq": { restart: "on-failure", stop: { grace: "90s" } },
      "mastodon-streaming": {
        run: ["/usr/bin/node", "./streaming.js", "--name", "mastodon-streaming"],
        listen: 3000,
        umask: "027",
        stop: { signal: "SIGINT" },
        restart: "never",
      },
    },
    dropped: ["10 ExecReload", "13 ProtectHome", "14 SystemCallFilter"],
  },
  {
    title: "Caddy: a directory of units with a oneshot",
    from: ".",
    files: {
      "caddy.service": `[Unit]
Requires=caddy-validate.service
After=caddy-validate.service
StartLimitIntervalSec=14400
StartLimitBurst=10
[Service]
Type=notify
ExecStart=/usr/bin/caddy run --environ --config $CADDY_CONFIG
EnvironmentFile=-/etc/default/caddy
AmbientCapabilities=CAP_NET_BIND_SERVICE
Restart=on-abnormal
`,
      "caddy-validate.service":
        "[Service]\nType=oneshot\nExecStart=/usr/bin/caddy validate --config /etc/caddy/Caddyfile\nExecStart=/bin/true\n",
      "caddy.timer": "[Timer]\nOnCalendar=daily\n",
    },
    services: {
      caddy: {
        run: "/usr/bin/caddy run --environ --config $CADDY_CONFIG",
        envFile: "/etc/default/caddy?",
        dependsOn: { "caddy-validate": "completed" },
        restart: { policy: "on-failure", max: 10, within: "240m" },
      },
      "caddy-validate": { restart: "never" },
    },
    dropped: ["10 AmbientCapabilities", "1 caddy.timer"],
  },
  {
    title: "ntfy: a template with instances",
    from: "ntfy@.service",
    files: {
      "ntfy@.service": `[Service]
ExecStart=-/usr/bin/ntfy serve --config /etc/ntfy/%i.yml
Nice=5
LimitNOFILE=1024:1000
Restart=on-success
RemainAfterExit=no
`,
    },
    services: { ntfy: { run: ["/usr/bin/ntfy", "serve", "--config", "/etc/ntfy/$(replica).yml"] } },
    dropped: ["6 RemainAfterExit"],
  },
];
