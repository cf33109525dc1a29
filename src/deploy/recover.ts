import { dirname } from "node:path";

import { messageOf } from "../base/errors.ts";
import { loadDeploySettings } from "../supervisor/config/load.ts";
import { AppSwitch, untouched } from "./app-switch.ts";
import type { DeployParts } from "./deploy.ts";
import { layoutOf } from "./layout.ts";
import { makeLive, settleLive } from "./live.ts";
import { migrateDown } from "./migrate-down.ts";
import { readRelease, readReleases, type Release, writeRelease } from "./records.ts";
import { readUndoNote, removeUndoNote } from "./undo-note.ts";

/**
 * Finishes or undoes a deploy whose process was ended by a kill or a reboot. A release that is recorded as live stays
 * live; any other is undone: the services go back to the state before the deploy, also where the switch had been
 * completed, because the release was not verified. It may be called again after another kill.
 *
 * @returns a sentence about it
 */
export async function recover(given: Release, parts: Omit<DeployParts, "signal">): Promise<string> {
  const layout = layoutOf(parts.home, given.app);
  const { number, app, step, file, state } = readRelease(layout, given.number) ?? given;
  const release = readRelease(layout, number) ?? given;
  const say = (text: string): void => parts.print(`${text}\n`);
  const services = new AppSwitch(app, parts, say);
  if (state !== "deploying") {
    await alignLive(services, layout, app);
    return `Release ${number} of ${app} is ${readRelease(layout, number)?.state ?? state}.`;
  }
  const why = `the process of the deploy was ended during ${step}`;
  say(`Release ${number} of ${app}: ${why}. It is undone.`);
  const note = readUndoNote(layout, number);
  const before = note?.before ?? undefined;
  const isSwitched = (step === "switch" || step === "verify") && note !== undefined;
  const back = isSwitched ? await services.back(before, file) : untouched(await services.stored());
  const environment = { ...parts.environment, ...note?.environment };
  const down = await migrateDown(release, {
    settings: await settingsOf(release, environment, say),
    environment,
    print: parts.print,
  });
  const text = [back, down].filter((each) => each !== "").join(" ");
  writeRelease(layout, { ...release, state: "interrupted", why: `${why}. ${text}` });
  removeUndoNote(layout, number);
  parts.mark(release, "interrupted");
  return `Release ${number} of ${app} was interrupted: ${why}. ${text}`;
}

/** The settings of a release, which may be incomplete after a kill. */
async function settingsOf(
  { file }: Release,
  environment: NodeJS.ProcessEnv,
  say: (text: string) => void,
) {
  try {
    return (await loadDeploySettings({ file, cwd: dirname(file), environment })).deploy;
  } catch (error) {
    say(`Its configuration could not be read: ${messageOf(error)}`);
    return undefined;
  }
}

/** After an interrupted rollback: the release that the app runs is the live one. */
async function alignLive(
  services: AppSwitch,
  layout: ReturnType<typeof layoutOf>,
  app: string,
): Promise<void> {
  const running = await services.running();
  const found = readReleases(layout).find(({ file, state }) => {
    return file === running?.file && (state === "former" || state === "live");
  });
  if (running?.name === app && found?.state === "former") makeLive(layout, found);
  else settleLive(layout);
}
