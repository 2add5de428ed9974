// Draws the figures over their stills, and makes the tables sortable. Needs nothing from outside.
"use strict";

const figures = JSON.parse(document.getElementById("figures").textContent);
const touch = matchMedia("(pointer: coarse)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 40rem)");

// plotly.js is packed, which makes the page half as large.
async function loadPlotly() {
  const packed = Uint8Array.from(
    atob(document.getElementById("plotly").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

// "--name" stands for that colour of the style sheet.
function inked(value, style) {
  if (typeof value === "string") {
    return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
  }
  if (Array.isArray(value)) {
    return typeof value[0] === "object" ? value.map((part) => inked(part, style)) : value;
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, inked(part, style)]));
}

// Without WebGL, SVG draws the same, if slower.
const hasWebgl = document.createElement("canvas").getContext("webgl") !== null;

function fitted(figure) {
  const { data, layout } = inked(figure, getComputedStyle(document.documentElement));
  for (const trace of data) {
    if (!hasWebgl && trace.type === "scattergl") trace.type = "scatter";
    if (narrow.matches && typeof trace.marker?.size === "number") trace.marker.size *= 0.75;
  }
  // A finger that drags over a picture means to scroll the page.
  if (touch.matches) layout.dragmode = false;
  return { data, layout };
}

const plots = [...document.querySelectorAll(".plot")];
const name = (plot) => plot.id.replace("plot-", "");
const isShown = (plot) => !plot.closest("figure").hidden;

async function draw(plot) {
  const { data, layout } = fitted(figures[name(plot)]);
  const isMap = layout.dragmode !== undefined && plot.closest(".map") !== null;
  if (plot.data === undefined) plot.replaceChildren();
  await Plotly.react(plot, data, layout, {
    responsive: true,
    displaylogo: false,
    displayModeBar: touch.matches ? false : "hover",
    scrollZoom: isMap && !touch.matches,
    // What is in this file stays in it.
    modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
    showSendToCloud: false,
    plotlyServerURL: "",
    toImageButtonOptions: { format: "svg", filename: name(plot) },
  });
}

// Maps move together, and a node under the pointer is shown in all of them.
function tieTogether(maps) {
  let following = false;
  const others = (map) => maps.filter((other) => other !== map && other.data && isShown(other));
  const follow = async (action) => {
    if (following) return;
    following = true;
    try { await action(); } finally { following = false; }
  };
  for (const map of maps.filter((each) => !each.tied && each.data)) {
    map.tied = true;
    map.on("plotly_relayout", (change) => follow(async () => {
      if (!Object.keys(change).some((key) => /^[xy]axis/.test(key))) return;
      const { xaxis, yaxis } = map.layout;
      const ranges = { "xaxis.range": [...xaxis.range], "yaxis.range": [...yaxis.range] };
      for (const other of others(map)) await Plotly.relayout(other, ranges);
    }));
    map.on("plotly_hover", ({ points: [{ curveNumber, pointNumber }] }) => follow(async () => {
      for (const other of others(map)) Plotly.Fx.hover(other, [{ curveNumber, pointNumber }]);
    }));
    map.on("plotly_unhover", () => follow(async () => {
      for (const other of others(map)) Plotly.Fx.unhover(other);
    }));
  }
}

async function drawShown() {
  for (const plot of plots.filter((each) => isShown(each) && !each.data)) await draw(plot);
  tieTogether(plots.filter((plot) => plot.closest(".map")));
}

async function choose(button) {
  const section = button.closest("section");
  const shown = button.dataset.show.split(" ");
  for (const other of section.querySelectorAll(".views button")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
  for (const figure of section.querySelectorAll("figure")) {
    figure.hidden = !shown.includes(figure.dataset.view);
  }
  await drawShown();
  for (const plot of plots.filter((each) => section.contains(each) && isShown(each))) {
    Plotly.Plots.resize(plot);
  }
}

function makeSortable(table) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    const key = (row) => {
      const cell = row.cells[column];
      return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
    };
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const [left, right] = [key(a), key(b)];
        const order = typeof left === "number" ? left - right : left.localeCompare(right);
        return descending ? -order : order;
      });
      body.append(...rows);
    });
  });
}

async function main() {
  document.querySelectorAll("table[data-sortable]").forEach(makeSortable);
  await loadPlotly();
  document.documentElement.classList.add("scripted");
  for (const button of document.querySelectorAll(".views button")) {
    button.addEventListener("click", () => choose(button));
    if (button.ariaPressed === "true") await choose(button);
  }
  await drawShown();
  for (const query of [dark, narrow]) {
    query.addEventListener("change", () => plots.filter((plot) => plot.data).forEach(draw));
  }
  document.documentElement.dataset.ready = "true";
}

main();
