// A web server on the given descriptor: the kernel listens already, so there is no port to name
// and nothing to bind.
import { createServer } from "node:http";

let answered = 0;
const server = createServer((_request, response) => {
  answered += 1;
  console.log(`answering request ${answered}`);
  response.end(`hello number ${answered}\n`);
});
server.listen({ fd: Number(process.argv[2]) });
process.on("SIGTERM", () => server.close());
