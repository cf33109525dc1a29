import { request } from "node:http";

/** The events that a browser's EventSource gets from a response, until it ends. */
export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly events: readonly { id: string; data: Record<string, unknown> }[];
  readonly text: string;
}

/** Reads the events out of the text of a stream. */
export function parseStream(text: string): { id: string; data: Record<string, unknown> }[] {
  return text
    .split("\n\n")
    .filter((block) => /^data: /m.test(block))
    .map((block) => ({
      id: /^id: (.*)$/m.exec(block)?.[1] ?? "",
      data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "{}") as Record<string, unknown>,
    }));
}

/**
 * Asks for a stream and reads it to its end.
 *
 * @param until - ends the connection once it is true of the received text
 */
export function get(
  url: string,
  headers: Record<string, string> = {},
  until: (text: string) => boolean = () => false,
): Promise<Received> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, agent: false }, (response) => {
      let text = "";
      const settle = (): void =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          events: parseStream(text),
          text,
        });
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
        if (!until(text)) return;
        response.destroy();
        settle();
      });
      response.on("end", settle);
      response.on("error", settle);
    });
    asked.on("error", reject);
    asked.end();
  });
}
