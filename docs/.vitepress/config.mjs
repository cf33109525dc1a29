// The site of the docs (`npm run docs`): the same pages as in the repository and in the package.
import { readFileSync } from "node:fs";

/** The sections of docs/README.md, so that the index and the sidebar have the same pages. */
function sidebar() {
  const index = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  return index
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [text = ""] = section.split("\n");
      const links = [...section.matchAll(/\[([^\]]+)\]\(([^)]+)\.md\)/g)];
      const items = links.map(([, title, path]) => ({
        text: title.replace(/^\w/, (letter) => letter.toUpperCase()),
        link: `/${path.replace(/README$/, "")}`,
      }));
      return { text, items };
    });
}

export default {
  title: "newel",
  description: "Restart anything. Lose nothing.",
  cleanUrls: true,
  rewrites: { "README.md": "index.md", "reference/api/README.md": "reference/api/index.md" },
  // A file next to docs/, outside of the site.
  ignoreDeadLinks: [/\/SECURITY$/],
  themeConfig: {
    sidebar: sidebar(),
    outline: [2, 3],
    search: { provider: "local" },
  },
};
