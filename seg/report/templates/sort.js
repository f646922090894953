"use strict";
// Sorts a table by the column whose heading is clicked; cells without a value stay last either way.
function compare(kind, direction) {
  return (one, other) => {
    if (one === "" || other === "") return (one === "") - (other === "");
    const order = kind === "number" ? Number(one) - Number(other) : one.localeCompare(other, "en", { numeric: true });
    return direction * order;
  };
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const ascending = head.getAttribute("aria-sort") !== "ascending";
      const order = compare(head.dataset.kind, ascending ? 1 : -1);
      for (const each of heads) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value;
      body.append(...Array.from(body.rows).sort((one, other) => order(value(one), value(other))));
    });
  });
}
