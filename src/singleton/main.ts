// The program of an owner in a separate process: makes the instance and runs for as long as it owns
// it. The kernel starts it, with its plan as the only argument.
import { messageOf, newelError } from "../base/errors.ts";
import type { AnyClass } from "./api.ts";
import type { HostedPlan } from "./engines/hosted.ts";
import { ownOnce } from "./singleton.ts";

try {
  // Written by this package's own hosted.ts.
  const plan = JSON.parse(process.argv[2] ?? "{}") as HostedPlan;
  const type = classOf(await loadModule(plan.module), plan);
  const owner = await ownOnce(type, {
    ...plan.options,
    args: plan.options.args as never,
    engine: "kernel",
  });
  // Another process has become the owner in between: this process has nothing to do.
  if (!owner.isOwner) await owner.leave();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => void owner.leave());
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function loadModule(href: string): Promise<Readonly<Record<string, unknown>>> {
  return (await import(href)) as Record<string, unknown>;
}

/** The class that the plan refers to among a module's exports. */
function classOf(module: Readonly<Record<string, unknown>>, plan: HostedPlan): AnyClass {
  const named = plan.export === undefined ? module["default"] : module[plan.export];
  if (isClass(named)) return named;
  const classes = plan.export === undefined ? Object.values(module).filter(isClass) : [];
  const [only, ...others] = classes;
  if (only !== undefined && others.length === 0) return only;
  const what = plan.export ?? "default";
  const why =
    only === undefined
      ? `${plan.module} exports no class ${what}`
      : `${plan.module} exports several classes; say which by the option export`;
  throw newelError("NEWEL_E_SINGLETON", { name: plan.options.name, why });
}

function isClass(value: unknown): value is AnyClass {
  return typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
}
