const byId = (id) => document.getElementById(id);
const SHOWN = 60;
const counts = { answered: 0, failed: 0 };
/** A colour for each process, by its pid, so that a new one is seen to be new. */
const hues = new Map();

function hueOf(pid) {
  if (!hues.has(pid)) hues.set(pid, (hues.size * 137 + 28) % 360);
  return hues.get(pid);
}

for (let place = 0; place < SHOWN; place += 1) {
  const item = document.createElement("li");
  item.className = "none";
  byId("answers").append(item);
}

/** Asks who answers, twice a second, and draws each answer as a bar. */
async function ask() {
  const item = document.createElement("li");
  try {
    const response = await fetch("/who", { cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const { process, pid } = await response.json();
    counts.answered += 1;
    item.style.setProperty("--hue", hueOf(pid));
    item.title = `${process}, pid ${pid}`;
    item.dataset.label = item.title;
  } catch (error) {
    counts.failed += 1;
    item.className = "failed";
    item.title = error.message;
  }
  byId("answers").firstElementChild.remove();
  byId("answers").append(item);
  byId("answered").textContent = counts.answered;
  byId("failed").textContent = counts.failed;
  drawLegend();
}

function drawLegend() {
  const labels = new Map();
  for (const { dataset, style } of byId("answers").children)
    if (dataset.label) labels.set(dataset.label, style.getPropertyValue("--hue"));
  byId("legend").replaceChildren(
    ...[...labels].map(([label, hue]) => {
      const entry = document.createElement("span");
      entry.style.setProperty("--hue", hue);
      entry.textContent = label;
      return entry;
    }),
  );
}

// The browser reconnects by itself when a process says goodbye.
new EventSource("/stream").addEventListener("message", ({ data }) => {
  const { time, process } = JSON.parse(data);
  byId("clock").textContent = time;
  byId("clock-from").textContent = `from ${process}`;
});

async function order(button) {
  button.disabled = true;
  byId("receipt").textContent = "Working on it …";
  try {
    const { order, process } = await (await fetch("/slow", { cache: "no-store" })).json();
    byId("receipt").textContent = `Order ${order} confirmed by ${process}.`;
  } catch (error) {
    byId("receipt").textContent = `Lost: ${error.message}`;
  }
  button.disabled = false;
}

byId("order").addEventListener("click", ({ currentTarget }) => void order(currentTarget));
setInterval(ask, 500);
await ask();
