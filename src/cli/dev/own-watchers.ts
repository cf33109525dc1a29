/**
 * Programs that watch the sources and reload by themselves: a restart at each change would throw away the state
 * that they keep for hot module replacement.
 */
const SERVERS =
  /(?:^|[\s;&|/"'])((?:next|nuxt|nuxi|astro|remix|react-router|gatsby|wrangler|expo|quasar|rsbuild|farm|waku) (?:dev|develop|start|vite:dev)|(?:vite|parcel|webpack serve|webpack-dev-server|ng serve|vue-cli-service serve|react-scripts start|storybook dev))(?=$|[\s;&|"'])/;

/** `vite build` and the like end, and `vite preview` watches nothing. */
const ENDS = /\b(?:vite|parcel) (?:build|preview|optimize)\b/;

/** Programs that restart another program at each change. */
const RELAUNCH =
  /(?:^|[\s;&|/"'])(nodemon|ts-node-dev|tsnd|tsx watch|node-dev|supervisor|pm2-dev)(?=$|[\s;&|"'])/;

const FLAG = /\s(--watch(?:-path)?)(?=$|[\s=;&|"'])/;

/** A program of a command line that watches files by itself. */
export interface OwnWatcher {
  /** The words of the command line. */
  readonly name: string;
  /** `hot`: it replaces code in a running program; `restart`: it restarts a program, whose clients are refused. */
  readonly kind: "hot" | "restart";
}

/** Finds the program of a command line that watches the sources by itself. */
export function ownWatcher(line: string): OwnWatcher | undefined {
  const server = ENDS.test(line) ? undefined : SERVERS.exec(line)?.[1];
  if (server !== undefined) return { name: server, kind: "hot" };
  const relaunch = RELAUNCH.exec(line)?.[1] ?? FLAG.exec(line)?.[1];
  return relaunch === undefined ? undefined : { name: relaunch, kind: "restart" };
}
