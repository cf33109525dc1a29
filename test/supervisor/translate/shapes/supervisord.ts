import { SERVER, type Shape } from "./shape.ts";

export const SUPERVISORD: readonly Shape[] = [
  {
    title: "Etherpad: a Node.js program and a loop of a shell",
    runs: true,
    from: "etherpad.conf",
    files: {
      "etherpad.conf": `[supervisord]
environment=NODE_ENV="production"
[program:etherpad]
directory=<DIR>
command=node --no-deprecation server.js --port <PORT>
autorestart=true
startretries=3
stopsignal=TERM
[program:ticker]
command=sh -c "while true; do date; sleep 1; done"
`,
      "server.js": SERVER,
    },
    services: {
      etherpad: {
        node: "server.js",
        nodeArgs: ["--no-deprecation"],
        args: ["--port", "3000"],
        listen: 3000,
        restart: { max: 3 },
      },
      ticker: { run: "while true; do date; sleep 1; done" },
    },
  },
  {
    title: "a Laravel worker: eight processes of one program",
    from: "laravel-worker.conf",
    files: {
      "laravel-worker.conf": `[program:laravel-worker]
process_name=%(program_name)s_%(process_num)02d
command=php <DIR>/artisan queue:work sqs --sleep=3 --tries=3 --max-time=3600
autostart=true
autorestart=true
stopasgroup=true
killasgroup=true
user=forge
numprocs=8
redirect_stderr=true
stdout_logfile=/home/forge/app.com/worker.log
stopwaitsecs=3600
`,
    },
    services: {
      "laravel-worker": {
        replicas: 8,
        stop: { grace: "60m", scope: "group" },
        logs: { stderr: "stdout" },
      },
    },
    dropped: ["8 user"],
  },
  {
    title: "Celery: a worker and a beat with priorities",
    from: "celeryd.conf",
    files: {
      "celeryd.conf": `; ==================================
;  celery worker
; ==================================

[program:celery]
command=celery -A proj worker --loglevel=INFO
directory=<DIR>
user=celery
numprocs=1
stdout_logfile=/var/log/celery/worker.log
startsecs=10
; Need to wait for currently executing tasks to finish at shutdown.
stopwaitsecs = 600
killasgroup=true
priority=1000

[program:celerybeat]
command=celery -A proj beat --schedule /var/lib/celery/beat.db --loglevel=INFO
directory=<DIR>
autorestart=false
startsecs=0
stopsignal=INT
environment=PYTHONPATH="<DIR>",LANG='en_US.UTF-8',
    DJANGO_SETTINGS_MODULE=proj.settings

[group:all]
programs=celery,celerybeat
`,
    },
    services: {
      celery: { ready: { after: "10s" }, stop: { grace: "10m" }, restart: "on-failure" },
      celerybeat: {
        restart: "never",
        stop: { signal: "SIGINT" },
        env: { LANG: "en_US.UTF-8", DJANGO_SETTINGS_MODULE: "proj.settings" },
      },
    },
    dropped: ["8 user", "15 priority", "26 [group:all]"],
  },
  {
    title: "Paperless-ngx: four programs in a container",
    from: "supervisord.conf",
    files: {
      "supervisord.conf": `[supervisord]
nodaemon=true
logfile=/var/log/supervisord/supervisord.log
loglevel=info
user=root

[program:gunicorn]
command=gunicorn -c gunicorn.conf.py paperless.asgi:application
user=paperless
priority = 1
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
environment = HOME="/usr/src/paperless",USER="paperless"

[program:consumer]
command=python3 manage.py document_consumer
stopsignal=INT
priority = 20
exitcodes=0,2

[program:celery-flower]
command = /usr/local/bin/flower-conditional.sh
autostart=false
startretries=5
`,
    },
    services: {
      gunicorn: { env: { HOME: "/usr/src/paperless", USER: "paperless" }, restart: "on-failure" },
      consumer: { stop: { signal: "SIGINT" } },
      "celery-flower": { enabled: false, restart: { policy: "on-failure", max: 5 } },
    },
    dropped: ["9 user", "10 priority", "20 priority", "21 exitcodes"],
  },
  {
    title: "Zulip: included files, a socket and process numbers",
    from: "supervisord.conf",
    files: {
      "supervisord.conf": `[unix_http_server]
file=/var/run/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = conf.d/*.conf
`,
      "conf.d/zulip.conf": `[program:zulip-tornado]
command=env PYTHONUNBUFFERED=1 node server.js --port=98%(process_num)02d
numprocs=2
stopwaitsecs=40 ; the default 10s is not always enough
[fcgi-program:zulip-app]
socket=unix://<DIR>/app.sock
command=uwsgi --ini uwsgi.ini
autorestart=unexpected
[program:zulip-deliver]
command=%(here)s/deliver --level %(ENV_LEVEL)s
`,
      "server.js": SERVER,
    },
    services: {
      "zulip-tornado": {
        run: ["env", "PYTHONUNBUFFERED=1", "node", "server.js", "--port=$(port)"],
        portRange: "9800-9801",
        replicas: 2,
        stop: { grace: "40s" },
      },
      "zulip-app": { restart: "on-failure" },
      "zulip-deliver": { passEnv: ["LEVEL"] },
    },
  },
];
