/** The goods of the shop: newels, the posts that a spiral stair hangs on. */
const PRODUCTS = [
  { name: "The Plain", wood: "ash", price: 140, top: "M9 8h14v4H9z" },
  {
    name: "The Acorn",
    wood: "oak",
    price: 185,
    top: "M16 1c5 0 8 4 8 8H8c0-4 3-8 8-8zM7 9h18v4H7z",
  },
  { name: "The Globe", wood: "walnut", price: 230, top: "M16 0a7 7 0 0 1 4 12h-8a7 7 0 0 1 4-12z" },
  {
    name: "The Pineapple",
    wood: "mahogany",
    price: 320,
    top: "M16 0l3 4 3-2-1 6 2 4H9l2-4-1-6 3 2z",
  },
] as const;

/** The page, with the process that rendered it. */
export function productPage(process: string, pid: number): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Newel &amp; Post</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
<header>
  <h1>Newel <span>&amp;</span> Post</h1>
  <p>The steps come and go. The post stands.</p>
</header>
<main>
  <section class="live" aria-label="Who serves this page">
    <div><h2>This page</h2><p><b>${escape(process)}</b> <small>pid ${pid}</small></p></div>
    <div><h2>Clock stream</h2><p><b id="clock">–</b> <small id="clock-from">connecting</small></p></div>
    <div><h2>Answers</h2><p><b id="answered">0</b> <small><span id="failed">0</span> failed</small></p></div>
    <div class="wide">
      <h2>Last 60 requests <small>two a second, coloured by the process that answered</small></h2>
      <ol id="answers"></ol>
      <p id="legend"></p>
    </div>
  </section>
  <section class="products" aria-label="Products">
${PRODUCTS.map(productCard).join("\n")}
  </section>
  <section class="order">
    <button id="order" type="button">Place a slow order</button>
    <output id="receipt">It takes two seconds. Reload the service meanwhile.</output>
  </section>
</main>
<footer><code>npx newel reload web</code> replaces both processes while you watch.</footer>
<script type="module" src="/live.js"></script>
</html>
`;
}

function productCard({ name, wood, price, top }: (typeof PRODUCTS)[number]): string {
  return `    <article class="${wood}">
      <svg viewBox="0 0 32 80" aria-hidden="true"><path d="${top}"/><path d="M10 14h12l-2 6v40l3 8v12H9V68l3-8V20z"/></svg>
      <h3>${name}</h3>
      <p>${wood} · €${price}</p>
    </article>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);
}
