import { COMPOSE } from "./compose.ts";
import { PACKAGES } from "./package-scripts.ts";
import { PM2 } from "./pm2.ts";
import { PROCESS_COMPOSE } from "./process-compose.ts";
import { PROCFILE } from "./procfile.ts";
import type { Shape } from "./shape.ts";
import { SUPERVISORD } from "./supervisord.ts";
import { SYSTEMD } from "./systemd.ts";

/** The shapes of each tool. */
export const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  pm2: PM2,
  Procfile: PROCFILE,
  compose: COMPOSE,
  "process-compose": PROCESS_COMPOSE,
  supervisord: SUPERVISORD,
  systemd: SYSTEMD,
  "package.json": PACKAGES,
};
