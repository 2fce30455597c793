// What a reader can do with the figures of a page: point at a mark for its numbers, choose lines, look closer.
//
// Each figure says in `data-told` where in its SVG which numbers lie (interaction.py). Text comes from there alone and
// is only ever set as text. Nothing is fetched. Without this script the figures are pictures.
"use strict";

const REACH = 16; // pixels of the screen from which on a mark is not meant
const DRAG = 4; // pixels of the screen from which on a click is a drag
const CLOSEST = 16; // how many times a figure can be enlarged
const STEP = 1.5;
const HINT =
  "Point at a mark for its numbers, or step through them with the arrow keys. Click a legend entry or a mark to see " +
  "it alone, Escape to see all. Ctrl and wheel, or a double click, enlarges; drag to move.";

function made(parent, name, properties = {}) {
  const element = document.createElement(name);
  Object.assign(element, properties);
  parent.append(element);
  return element;
}

function drawn(svg, name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  svg.append(element);
  return element;
}

// Rows of stops, through which the arrow keys lead: the points of each line, the cells of each row of a grid.
function rowsOf(told) {
  const lines = told.lines.map(({ spots, title, tags }) =>
    spots.map(([x, y, text]) => ({ x, y, text, title, tags, wide: 0, high: 0 })),
  );
  const cells = told.cells.flatMap(({ xs, ys, texts, columns, rows, title }) =>
    texts.map((row, j) =>
      row.map((number, i) => {
        const [wide, high] = [Math.abs(xs[i + 1] - xs[i]) / 2, Math.abs(ys[j + 1] - ys[j]) / 2];
        const text = number && `${columns[i]}\n${rows[j]}\n${number}`;
        return { x: (xs[i] + xs[i + 1]) / 2, y: (ys[j] + ys[j + 1]) / 2, text, title, tags: {}, wide, high };
      }),
    ),
  );
  return [...lines, ...cells].map((row) => row.filter((stop) => stop.text)).filter((row) => row.length > 0);
}

function enliven(figure) {
  const told = JSON.parse(figure.dataset.told);
  const frame = figure.querySelector(".scroll");
  const svg = frame.querySelector("svg");
  const prefix = figure.dataset.prefix;
  const part = (id) => svg.querySelector(`[id="${CSS.escape(prefix + id)}"]`);
  const rows = rowsOf(told);
  const [x, y, width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const full = { x, y, width, height };
  let view = { ...full };
  let at = null; // the stop that is told of: its row, its place in it
  let drag = null;
  const chosen = new Map(); // kind of tag -> the values that were chosen

  const bar = made(figure, "div", { className: "tools" });
  figure.insertBefore(bar, frame.nextSibling);
  const card = made(figure, "div", { className: "card", hidden: true });
  card.setAttribute("role", "status");
  const ring = drawn(svg, "rect", { class: "ring", visibility: "hidden" });
  frame.setAttribute("role", "group"); // of a picture nothing inside is read out

  const scale = () => svg.getScreenCTM().a; // pixels of the screen to a unit
  const place = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const lit = (tags) => [...chosen].every(([kind, values]) => !(kind in tags) || values.has(tags[kind]));

  function tell(row, i) {
    at = row === null ? null : [row, i];
    card.hidden = at === null;
    ring.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at === null) return;
    const stop = rows[row][i];
    card.replaceChildren();
    if (stop.title) made(card, "strong", { textContent: stop.title });
    made(card, "span", { textContent: stop.text });
    const radius = stop.wide ? 0 : 7 / scale();
    const [wide, high] = stop.wide ? [stop.wide, stop.high] : [radius, radius];
    const box = { x: stop.x - wide, y: stop.y - high, width: 2 * wide, height: 2 * high, rx: radius };
    for (const [key, value] of Object.entries(box)) ring.setAttribute(key, value);
    moveCard(stop);
  }

  function moveCard(stop) {
    const there = new DOMPoint(stop.x, stop.y).matrixTransform(svg.getScreenCTM());
    const [outer, inner] = [figure.getBoundingClientRect(), card.getBoundingClientRect()];
    const right = there.x + 14 + inner.width < Math.min(outer.right, window.innerWidth);
    const left = right ? there.x + 14 : there.x - 14 - inner.width;
    card.style.left = `${Math.max(0, left - outer.left)}px`;
    card.style.top = `${there.y - outer.top - inner.height / 2}px`;
  }

  // The mark that is meant: the nearest point within reach, else the cell that is pointed at.
  function meant(point) {
    let best = null;
    let least = (REACH / scale()) ** 2;
    rows.forEach((row, number) => {
      if (!lit(row[0].tags)) return;
      row.forEach((stop, i) => {
        const [dx, dy] = [Math.abs(stop.x - point.x), Math.abs(stop.y - point.y)];
        if (stop.wide) {
          if (best === null && dx <= stop.wide && dy <= stop.high) best = [number, i];
        } else if (dx * dx + dy * dy < least) {
          least = dx * dx + dy * dy;
          best = [number, i];
        }
      });
    });
    return best;
  }

  function choose(tags) {
    const all = Object.entries(tags);
    const off = all.every(([kind, value]) => chosen.get(kind)?.has(value));
    for (const [kind, value] of all) {
      const values = chosen.get(kind) ?? new Set();
      if (off) values.delete(value);
      else values.add(value);
      if (values.size) chosen.set(kind, values);
      else chosen.delete(kind);
    }
    dim();
  }

  function dim() {
    for (const [id, tags] of told.parts) part(id)?.classList.toggle("dim", !lit(tags));
    for (const { tags, target, ids } of keys) {
      target.setAttribute("aria-pressed", Object.entries(tags).every(([kind, value]) => chosen.get(kind)?.has(value)));
      for (const id of ids) part(id)?.classList.toggle("dim", !lit(tags));
    }
    if (at !== null && !lit(rows[at[0]][at[1]].tags)) tell(null);
  }

  // A legend's entry is a button as large as its sign and its words together.
  const keys = told.keys.map(([ids, tags, title]) => {
    const boxes = ids.map(part).filter(Boolean).map((element) => element.getBBox());
    const [x, y] = [Math.min(...boxes.map((box) => box.x)), Math.min(...boxes.map((box) => box.y))];
    const width = Math.max(...boxes.map((box) => box.x + box.width)) - x;
    const height = Math.max(...boxes.map((box) => box.y + box.height)) - y;
    const target = drawn(svg, "rect", { class: "key", x: x - 2, y: y - 2, width: width + 4, height: height + 4 });
    for (const [name, value] of [["tabindex", "0"], ["role", "button"], ["aria-pressed", "false"], ["aria-label", title]])
      target.setAttribute(name, value);
    target.addEventListener("click", (event) => {
      event.stopPropagation();
      choose(tags);
    });
    target.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      choose(tags);
    });
    return { ids, tags, target };
  });

  function look(next) {
    const width = Math.min(full.width, Math.max(full.width / CLOSEST, next.width));
    const height = width === full.width ? full.height : (width * full.height) / full.width;
    const inside = (low, size, start, length) => Math.min(Math.max(low, start), start + length - size);
    view = { x: inside(next.x, width, full.x, full.width), y: inside(next.y, height, full.y, full.height), width, height };
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
    frame.classList.toggle("closer", width < full.width);
    if (at !== null) tell(...at);
  }

  function zoom(factor, centre = { x: view.x + view.width / 2, y: view.y + view.height / 2 }) {
    const width = Math.min(full.width, Math.max(full.width / CLOSEST, view.width / factor));
    const share = width / view.width;
    look({ x: centre.x - (centre.x - view.x) * share, y: centre.y - (centre.y - view.y) * share, width });
  }

  function all() {
    chosen.clear();
    dim();
    tell(null);
    look(full);
  }

  // From the stop that is told of to another: along its row, or to the nearest one of the next row that is lit.
  function step(along, across) {
    const open = rows.map((row, number) => number).filter((number) => lit(rows[number][0].tags));
    if (!open.length) return;
    const [row, i] = at ?? [open[0], 0];
    if (at === null) tell(row, i);
    else if (along) tell(row, Math.min(Math.max(i + along, 0), rows[row].length - 1));
    else {
      const next = open[(open.indexOf(row) + across + open.length) % open.length];
      const apart = rows[next].map((stop) => Math.abs(stop.x - rows[row][i].x));
      tell(next, apart.indexOf(Math.min(...apart)));
    }
    ring.scrollIntoView({ block: "nearest", inline: "nearest" });
    moveCard(rows[at[0]][at[1]]);
  }

  for (const [text, label, act] of [
    ["+", "enlarge", () => zoom(STEP)],
    ["−", "make smaller", () => zoom(1 / STEP)],
    ["Reset", "show all of the figure", all],
  ]) {
    const button = made(bar, "button", { type: "button", textContent: text, title: label });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
  }
  made(bar, "span", { textContent: HINT });

  svg.addEventListener("pointermove", (event) => {
    if (drag !== null) {
      const [dx, dy] = [(event.clientX - drag.x) / drag.scale, (event.clientY - drag.y) / drag.scale];
      if (Math.hypot(dx, dy) * drag.scale > DRAG) drag.moved = true;
      if (drag.moved) look({ ...view, x: drag.view.x - dx, y: drag.view.y - dy });
      return;
    }
    const found = meant(place(event));
    tell(...(found ?? [null]));
  });
  svg.addEventListener("pointerleave", () => drag === null && tell(null));
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse")
      drag = { x: event.clientX, y: event.clientY, view, scale: scale(), moved: false };
  });
  window.addEventListener("pointerup", () => setTimeout(() => (drag = null))); // after the click that it may be
  svg.addEventListener("click", (event) => {
    if (drag?.moved) return;
    const found = meant(place(event));
    tell(...(found ?? [null]));
    if (found !== null) choose(rows[found[0]][found[1]].tags);
  });
  svg.addEventListener("dblclick", (event) => {
    if (meant(place(event)) === null) zoom(2, place(event));
  });
  svg.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      zoom(event.deltaY < 0 ? STEP : 1 / STEP, place(event));
    },
    { passive: false },
  );
  const pressed = {
    ArrowRight: () => step(1, 0),
    ArrowLeft: () => step(-1, 0),
    ArrowDown: () => step(0, 1),
    ArrowUp: () => step(0, -1),
    Enter: () => at !== null && choose(rows[at[0]][at[1]].tags),
    Escape: all,
    "+": () => zoom(STEP),
    "-": () => zoom(1 / STEP),
  };
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in pressed)) return;
    event.preventDefault();
    pressed[event.key]();
  });
  frame.addEventListener("blur", () => tell(null));
}

document.querySelectorAll("figure[data-told]").forEach(enliven);
