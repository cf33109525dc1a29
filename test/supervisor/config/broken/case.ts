/** A wrong configuration and every line that must be said of it, in order. */
export interface BrokenCase {
  readonly title: string;
  /** newel.config.ts, unless `files` has another configuration. */
  readonly source?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
}

export const toCase = ([title = "", source = "", ...lines]: readonly string[]): BrokenCase => ({
  title,
  source,
  lines,
});

/** A configuration with one service `web`, these settings on line 4. */
export const web = (settings: string): string => `export default {
  sockets: { web: { port: 3000 }, admin: { port: 3001 } },
  services: {
    web: { node: "server.ts", ${settings} },
    db: { run: "sleep 1000" },
    migrate: { run: "true", restart: "never" },
  },
};
`;

/** The same with a service `clock` that has no program yet. */
export const clock = (settings: string): string => `export default {
  services: {
    clock: { ${settings} },
  },
};
`;

export const sockets = (settings: string): string => `export default {
  sockets: {
    ${settings}
  },
  services: {},
};
`;

/** The settings of a service, as the message about an unknown one lists them. */
export const SERVICE_SETTINGS = `
node
run
args
nodeArgs
nodePath
listen
replicas
env
envFile
passEnv
cwd
ready
alive
maxMemory
hooks
stop
reload
schedule
restart
dependsOn
logs
watch
instanceVar
portRange
umask
user
group
limits
nice
profiles
profileEnv
tags
enabled
`
  .trim()
  .split("\n")
  .map((name) => `"${name}"`)
  .join(", ");
