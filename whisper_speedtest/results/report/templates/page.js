"use strict";
// Without this script the page shows everything, in the order in which it was written.
document.documentElement.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
  const look = (box) => box.classList.toggle("wider", box.scrollWidth > box.clientWidth);
  const watch = new ResizeObserver((seen) => seen.forEach(({ target }) => look(target)));
  for (const box of document.querySelectorAll(".scroll")) watch.observe(box);

  const table = document.getElementById("rows");
  if (!table) return;
  const bodies = [...table.tBodies];
  const headings = [...table.tHead.rows[0].querySelectorAll("th")];

  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const key = (body, column) => {
    const cell = body.rows[0].cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  };

  // What is empty stands last, whichever the direction; numbers stand before texts.
  const sort = (heading) => {
    const first = heading.dataset.first || "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = heading.getAttribute("aria-sort") === first ? other : first;
    const sign = direction === "ascending" ? 1 : -1;
    for (const each of headings) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
    const busy = (body) => body.classList.contains("busy") && heading.classList.contains("n");
    const keyed = bodies.map((body) => [body, key(body, heading.cellIndex)]);
    keyed.sort(([one, a], [two, b]) => {
      if (busy(one) !== busy(two)) return busy(one) ? 1 : -1;
      if (a === "" || b === "") return (a === "") - (b === "");
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      return sign * (typeof a === "number" ? a - b : compare(a, b));
    });
    table.append(...keyed.map(([body]) => body));
  };

  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }

  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[aria-controls]");
    if (!button) return;
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    document.getElementById(button.getAttribute("aria-controls")).classList.toggle("open", !open);
  });

  const filter = document.getElementById("filter");
  const count = document.getElementById("count");
  const texts = bodies.map((body) => body.textContent.toLowerCase());
  filter.parentElement.hidden = false;
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    let shown = 0;
    bodies.forEach((body, place) => {
      body.hidden = !words.every((word) => texts[place].includes(word));
      if (!body.hidden) shown += 1;
    });
    count.textContent = `${shown} of ${bodies.length} rows`;
  });
});
