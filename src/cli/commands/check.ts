import { type Command, CONFIG_OPTION } from "../command.ts";
import { readConfig } from "../config.ts";
import { EXIT } from "../exit-codes.ts";

export const check: Command = {
  name: "check",
  summary: "Check the configuration; nothing is started",
  usage: "[-c FILE]",
  options: { ...CONFIG_OPTION },
  examples: [{ line: "newel check -c newel.config.ts", does: "exit code 6 when it is wrong" }],
  async run(args, context) {
    const { name, file, services, sockets } = await readConfig(args, context);
    const { output } = context;
    if (output.json) {
      output.printDocument({
        ok: true,
        name,
        file,
        services: services.map((service) => ({
          name: service.name,
          enabled: service.enabled,
          replicas: service.replicas,
        })),
        sockets: sockets.map((socket) => socket.name),
      });
    } else {
      const listed = services.map((service) => service.name).join(", ");
      output.print(`${file} is fine: ${name} has ${services.length} services (${listed}).`);
    }
    return EXIT.done;
  },
};
