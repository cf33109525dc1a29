import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";

import { validate } from "../../../src/supervisor/config/validate.ts";
import { toConfig } from "../../../src/supervisor/translate/draft.ts";
import { printConfig } from "../../../src/supervisor/translate/print.ts";
import { translate } from "../../../src/supervisor/translate/read.ts";
import { temporaryDirectory } from "../../helpers/resources.ts";
import { bareEnvironment } from "../config/app.ts";
import { SHAPES } from "./shapes/all.ts";
import { fileOf } from "./shapes/shape.ts";

const INDEX = new URL("../../../src/index.ts", import.meta.url).href;

/** The value of a configuration, evaluated in this process with the variables of its caller. */
async function evaluated(
  text: string,
  directory: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const file = join(directory, "newel.config.ts");
  const content = text
    .replace('from "newel"', `from ${JSON.stringify(INDEX)}`)
    .replace(
      /^process\.loadEnvFile\(.*$/m,
      `process.loadEnvFile(${JSON.stringify(join(directory, ".env"))});`,
    );
  writeFileSync(file, content);
  const before = { ...process.env };
  for (const name of OF_SHAPES) delete process.env[name];
  Object.assign(process.env, variables);
  try {
    const module = (await import(pathToFileURL(file).href)) as { readonly default: unknown };
    // `undefined` leaves a setting out.
    return JSON.parse(JSON.stringify(module.default));
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

/** Variables that the configurations of the shapes read. */
const OF_SHAPES = ["NODE_ENV", "PORT", "COMPOSE_PROFILES", "APP_SECRET"];

for (const [tool, shapes] of Object.entries(SHAPES)) {
  describe(`a file of ${tool}`, () => {
    for (const shape of shapes)
      test(shape.title, async (t) => {
        const directory = temporaryDirectory(t);
        for (const [path, content] of Object.entries(shape.files)) {
          const file = join(directory, path);
          mkdirSync(dirname(file), { recursive: true });
          writeFileSync(file, fileOf(content, { directory, port: 3000 }));
        }
        const environment = { ...bareEnvironment, ...shape.environment };
        const paths = [shape.from].flat().map((each) => resolve(directory, each));
        const options = { cwd: directory, environment, place: "project" } as const;
        const { translation } = await translate(paths, options);
        assert.equal(translation.tool, tool);
        const text = printConfig(translation);
        assert.ok(!text.includes("hunter2hunter2"), "a value of the caller is in the file");
        assert.deepEqual(
          translation.notes
            .filter(({ kind }) => kind === "dropped")
            .map(({ line, key }) => `${line} ${key}`)
            .toSorted(),
          (shape.dropped ?? []).toSorted(),
        );
        const data = toConfig(translation, environment) as { services: Record<string, object> };
        assert.deepEqual(
          Object.keys(data.services).toSorted(),
          Object.keys(shape.services).toSorted(),
        );
        for (const [name, settings] of Object.entries(shape.services))
          assert.partialDeepStrictEqual(data.services[name], settings, name);
        const printed = await evaluated(text, directory, shape.environment);
        assert.deepEqual(printed, data);
        const result = validate(printed, join(directory, "newel.config.ts"), environment);
        assert.deepEqual("findings" in result ? result.findings : [], []);
      });
  });
}
