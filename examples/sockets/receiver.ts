// Asks the server on the given port three times, prints the answers and ends.
const [, , port] = process.argv;
for (let request = 0; request < 3; request += 1) {
  const response = await fetch(`http://127.0.0.1:${port}`, { headers: { connection: "close" } });
  console.log(`received: ${(await response.text()).trim()}`);
}
