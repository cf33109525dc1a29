import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const BUS = new URL("../../src/bus/index.ts", import.meta.url).href;

test("importing the bus loads no native code, no wire and no HTTP", () => {
  const program = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    const { Bus, signals } = await import(${JSON.stringify(BUS)});
    const bus = new Bus();
    signals(bus);
    await bus.start();
    await bus.exit();
    console.log(loaded.join("\\n"));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  const loaded = stdout.trim().split("\n");
  assert.ok(loaded.length > 20, stdout);
  const unwanted = /koffi|\.node$|\/src\/(posix|wire)\/|^node:(http|http2|https)$/;
  assert.deepEqual(
    loaded.filter((url) => unwanted.test(url)),
    [],
  );
});
