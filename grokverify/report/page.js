"use strict";
// Filters and sorts the table of all claims. The page is complete without it.
(() => {
  const table = document.querySelector("table.all");
  if (!table) return;
  const rows = [...table.querySelectorAll("tr[data-verdict]")];
  const bar = document.createElement("div");
  bar.className = "filters";
  bar.setAttribute("role", "search");
  bar.setAttribute("aria-label", "Filter the claims");
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  const fields = [];

  function field(name, element) {
    const label = document.createElement("label");
    label.append(name + " ", element);
    element.addEventListener("input", filter);
    bar.append(label);
    fields.push(element);
    return element;
  }
  function choice(name, key) {
    const select = document.createElement("select");
    select.append(new Option("all", ""));
    for (const value of [...new Set(rows.map((row) => row.dataset[key]))].sort())
      select.append(new Option(value));
    select.dataset.key = key;
    return field(name, select);
  }
  function filter() {
    const words = text.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const told = row.textContent.toLowerCase() + " " + row.dataset.id;
      const fits = words.every((word) => told.includes(word)) &&
        choices.every((one) => !one.value || row.dataset[one.dataset.key] === one.value);
      row.hidden = !fits;
      shown += fits;
    }
    for (const body of table.tBodies)
      body.hidden = [...body.querySelectorAll("tr[data-verdict]")].every((row) => row.hidden);
    said.textContent = `${shown} of ${rows.length} claims`;
  }
  const text = field("Search", Object.assign(document.createElement("input"), { type: "search" }));
  const choices = [choice("Verdict", "verdict"), choice("Grade", "grade"), choice("Origin", "origin")];
  bar.append(said);
  table.parentElement.before(bar);
  filter();

  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const order = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
      for (const body of table.tBodies) {
        const own = [...body.querySelectorAll("tr[data-verdict]")];
        body.append(...own.sort((a, b) => (down ? order(b, a) : order(a, b))));
      }
    });
  });
})();
