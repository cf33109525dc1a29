import { statfsSync } from "node:fs";
import { dirname } from "node:path";

import { newelError } from "../../base/errors.ts";

/** Network file systems by the `f_type` of statfs(2): SQLite's locks and flock are not reliable on them. */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x69_69, "NFS"],
  [0x51_7b, "SMB"],
  [0xff_53_4d_42, "CIFS"],
  [0xfe_53_4d_42, "SMB2"],
  [0x00_c3_64_00, "Ceph"],
  [0x53_46_41_4f, "AFS"],
  [0x73_75_72_45, "Coda"],
  [0x0b_d0_0b_d0, "Lustre"],
  [0x47_50_46_53, "GPFS"],
  [0x01_16_19_70, "GFS2"],
]);

/** The name of a network file system by its number; `undefined` for a local one. */
export function networkType(type: number): string | undefined {
  return NETWORK_TYPES.get(type >>> 0);
}

const warned = new Set<string>();

/** Warns once for a file on a network file system. */
export function warnOfNetwork(path: string, type: number = statfsSync(dirname(path)).type): void {
  const kind = networkType(type);
  if (kind === undefined || warned.has(path)) return;
  warned.add(path);
  const { message, code } = newelError("NEWEL_E_JOBS_NETWORK", { path, kind });
  process.emitWarning(message, { code });
}
