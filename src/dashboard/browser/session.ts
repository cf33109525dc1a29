/** The session of this browser: a cookie that no script reads, and a token that stays with this origin. */

const TOKEN = "newel-token";

/** An answer of the server that refuses a request. */
export class Refused extends Error {
  readonly status: number;
  readonly fix: string;

  constructor(status: number, message: string, fix: string) {
    super(message);
    this.status = status;
    this.fix = fix;
  }
}

/** Opens a session with the link of the address, if it has one, and takes the link out of the address. */
export async function enter(): Promise<void> {
  const link = /^#link=([\w-]+)$/.exec(location.hash)?.[1];
  if (link === undefined) return;
  history.replaceState(undefined, "", "/");
  const { token } = (await post("/api/enter", { link })) as { token: string };
  localStorage.setItem(TOKEN, token);
}

export function isSignedIn(): boolean {
  return localStorage.getItem(TOKEN) !== null;
}

export function forget(): void {
  localStorage.removeItem(TOKEN);
}

function headers(): Record<string, string> {
  return { "x-newel-token": localStorage.getItem(TOKEN) ?? "" };
}

export async function openStream(signal: AbortSignal): Promise<Response> {
  return checked(await fetch("/api/stream", { headers: headers(), signal }));
}

export async function post(path: string, body: object): Promise<unknown> {
  const response = await fetch(path, {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await checked(response)).json();
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  let said: { message?: unknown; fix?: unknown } = {};
  try {
    said = JSON.parse(text) as typeof said;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const message =
    typeof said.message === "string" ? said.message : `The server answered ${response.status}.`;
  throw new Refused(response.status, message, typeof said.fix === "string" ? said.fix : "");
}
