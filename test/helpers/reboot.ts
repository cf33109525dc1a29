import { writeFileSync } from "node:fs";

import { crc32 } from "../../src/base/crc32.ts";
import type { Home } from "../../src/base/home.ts";
import { readJournal } from "../../src/kernel/journal-file.ts";
import { eventually, isAlive } from "./resources.ts";
import type { SupervisedApp } from "./supervised.ts";
import { sendSignal } from "./signals.ts";

/** Simulates a reboot: kills the daemons and services, and gives the journal the id of another boot. */
export async function reboot(app: SupervisedApp): Promise<void> {
  const kernel = await app.kernel();
  const list = await kernel.processes.list();
  const { pid } = await kernel.status();
  await app.killSupervisor();
  sendSignal(pid, "SIGKILL");
  await eventually(() => !isAlive(pid), "the kernel is gone");
  const services = list.filter(({ running }) => running).map((info) => info.pid);
  for (const each of services) sendSignal(each, "SIGKILL");
  await eventually(() => !services.some(isAlive), "the services are gone");
  asOtherBoot(app.home);
}

/** Gives the journal of a home whose daemons have ended the id of another boot. */
export function asOtherBoot(home: Home): void {
  const lines = readJournal(home.journal).records.map((record) => {
    const json = JSON.stringify(record.type === "boot" ? { ...record, bootId: "another" } : record);
    return `${crc32(json).toString(16).padStart(8, "0")} ${json}\n`;
  });
  writeFileSync(home.journal, lines.join(""));
}
