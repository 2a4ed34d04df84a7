const specs = JSON.parse(document.getElementById("charts").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function look() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim(), line = style.getPropertyValue("--line").trim();
  return {
    background: "transparent", font: "system-ui, sans-serif", view: { stroke: null },
    axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 500 },
    legend: { labelColor: ink, titleColor: ink, labelLimit: 240 },
    text: { color: ink },
  };
}

async function draw() {
  await Promise.all(specs.map((spec, k) => vegaEmbed(`#chart-${k}`, { ...spec, config: look() }, {
    actions: false, renderer: "svg", tooltip: { theme: dark.matches ? "dark" : "light" },
  })));
  document.body.dataset.drawn = "yes";
}

dark.addEventListener("change", draw);
draw();

function numeric(text) {
  const value = parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(value) ? null : value;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const x = a.cells[column].textContent, y = b.cells[column].textContent;
      const p = numeric(x), q = numeric(y);
      // Empty cells come last in either direction.
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = p !== null && q !== null ? p - q : x.localeCompare(y);
      return descending ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
