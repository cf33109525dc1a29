import * as v from "valibot";

import type { DeployConfig } from "./deploy-types.ts";
import { duration, integer, text } from "./leaves.ts";
import { settings } from "./settings.ts";

/** The valid part of the setting `deploy`. */
export type CheckedDeploy = DeployConfig;

const may = v.exactOptional;

const LINE = 'must be a command: "npm ci".';
const PATHS = 'must be a list of paths: ["data", ".env"].';
const paths = v.array(text('must be a path: "data".'), PATHS);

export const deploySchema: v.GenericSchema<unknown, CheckedDeploy> = settings("deploy", {
  install: may(text(LINE)),
  build: may(text(LINE)),
  test: may(text(LINE)),
  migrate: may(text(LINE)),
  migrateDown: may(text(LINE)),
  timeout: may(duration(1)),
  shared: may(paths),
  assets: may(paths),
  keep: may(integer(2, 1_000)),
  verify: may(
    settings("verify", {
      for: may(duration(0)),
      http: may(
        v.custom<`http://${string}`>(
          (value) =>
            typeof value === "string" && URL.canParse(value) && value.startsWith("http://"),
          'must be a URL: "http://127.0.0.1:3000/healthz".',
        ),
      ),
      maxErrors: may(integer(0, 1_000_000)),
      command: may(text(LINE)),
    }),
  ),
});
