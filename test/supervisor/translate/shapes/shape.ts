/** A file of another tool, of the shape that a public project has; the text is our own. */
export interface Shape {
  /** The project and its file. */
  readonly title: string;
  /** The file that is translated, of `files`; units of systemd may be several. */
  readonly from: string | readonly string[];
  /** `<DIR>` is the directory of the project, `<PORT>` a port. */
  readonly files: Readonly<Record<string, string>>;
  /** The settings of each service: at least these. */
  readonly services: Readonly<Record<string, object>>;
  /** `LINE KEY` of each thing that is not carried over. */
  readonly dropped?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether it needs nothing but Node.js and a shell, so that a test can start it. */
  readonly runs?: true;
}

/** The text of a file of a shape. */
export function fileOf(
  text: string,
  given: { readonly directory: string; readonly port: number },
): string {
  return text
    .replaceAll("<DIR>", given.directory)
    .replaceAll("<PORT>", String(given.port))
    .replaceAll("<NODE>", process.execPath);
}

/** A server that listens on PORT. */
export const SERVER = `require("node:http")
  .createServer((request, response) => response.end("ok " + (process.env.NODE_APP_INSTANCE ?? "")))
  .listen(process.env.PORT ?? <PORT>, () => process.send?.("ready"));
`;

/** A program without a socket. */
export const WORKER = "setInterval(() => {}, 1000);\n";
