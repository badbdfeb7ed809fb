"use strict";
const by = (id) => document.getElementById(id);
const STEP = 60;
let state = { tab: "inputs", values: {}, ranges: {}, words: "", sort: "", order: "up", column: "", records: {} };
let about = null;
let cards = [];
let total = 0;
let latest = 0;
let loading = false;
let open = null;
let shown = null;

function element(tag, text, kind) {
  const node = document.createElement(tag);
  node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function shape(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

async function call(name, query) {
  const parameters = new URLSearchParams(query);
  const response = await fetch(`/api/${name}?${parameters}`);
  const data = await response.json();
  if (!response.ok) throw new Error(data.error);
  return data;
}

function guarded(work) {
  return async (...parameters) => {
    try {
      by("error").textContent = "";
      await work(...parameters);
    } catch (error) {
      by("error").textContent = error.message;
    }
  };
}

function conditions() {
  return JSON.stringify({ values: state.values, ranges: state.ranges, words: state.words });
}

function remember() {
  const kept = { ...state };
  if (open) kept.input = open;
  history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(kept)));
}

function recall() {
  if (location.hash.length < 2) return "";
  try {
    const kept = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    for (const name of Object.keys(state)) if (kept[name] !== null && typeof kept[name] === typeof state[name]) state[name] = kept[name];
    return typeof kept.input === "string" ? kept.input : "";
  } catch {
    return "";
  }
}

const argument = (text) => (/^[\w.\/:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const short = (number) => Number(number.toPrecision(4)).toString();

function card(row) {
  const node = element("button", "", "card");
  const frame = element("div", row.id ? "" : row.failure || "", "frame");
  if (row.id) frame.append(thumbnail(row.id));
  const outcome = element("p", [row.outcome, row.rule || row.failure || row.duplicate_kind].filter(Boolean).join(": "), `outcome ${row.outcome}`);
  node.append(frame, outcome);
  if (state.sort && row[state.sort] !== undefined) node.append(element("p", `${state.sort} ${typeof row[state.sort] === "number" ? short(row[state.sort]) : row[state.sort]}`));
  node.append(element("p", row.caption || row.message || ""), element("p", `${row.source}: ${row.uri}`, "uri"));
  node.dataset.input = row.input_id;
  node.addEventListener("click", () => show(row));
  return node;
}

function thumbnail(id) {
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.alt = "";
  picture.src = "/thumbnail/" + encodeURIComponent(id);
  picture.addEventListener("error", () => picture.replaceWith(element("span", "no picture")));
  return picture;
}

const more = guarded(async () => {
  if (state.tab === "records") return moreRecords();
  if (loading || cards.length >= total) return;
  loading = true;
  const round = latest;
  try {
    const page = await call("rows", { filters: conditions(), sort: state.sort, order: state.order, offset: cards.length, limit: STEP });
    if (round === latest) add(page);
  } finally {
    if (round === latest) loading = false;
  }
});

function add(page) {
  total = page.count;
  by("count").textContent = `${page.count.toLocaleString("en")} of ${about.total.toLocaleString("en")}`;
  cards.push(...page.rows);
  by("grid").append(...page.rows.map(card));
  by("end").textContent = cards.length >= total ? "" : "…";
}

const refresh = guarded(async () => {
  const round = ++latest;
  remember();
  loading = true;
  tabs();
  if (state.tab === "records") return refreshRecords(round);
  by("trial").hidden = by("nearest").hidden = true;
  const query = { filters: conditions() };
  const [page, counts] = await Promise.all([
    call("rows", { ...query, sort: state.sort, order: state.order, offset: 0, limit: STEP }),
    call("counts", query),
  ]);
  if (round !== latest) return;
  cards = [];
  by("grid").replaceChildren();
  add(page);
  loading = false;
  facets(by("facets"), counts, state.values);
  pills();
  await histogram(round);
});

function tabs() {
  for (const name of ["inputs", "records"]) {
    by(name).hidden = state.tab !== name;
    by(`tab-${name}`).setAttribute("aria-pressed", String(state.tab === name));
  }
  for (const node of document.querySelectorAll("header .of-inputs")) node.hidden = state.tab !== "inputs";
}

function facets(box, counts, chosen) {
  box.replaceChildren(
    ...Object.entries(counts)
      .filter(([name, listed]) => listed.some(([value]) => value !== null) || chosen[name])
      .map(([name, listed]) => {
        const section = element("section", "", "facet");
        section.append(element("h2", name.replaceAll("_", " ")));
        for (const [value, count] of listed) section.append(choice(chosen, name, value, count));
        return section;
      }),
  );
}

function choice(chosen, name, value, count) {
  const label = element("label", "");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = (chosen[name] || []).includes(value);
  box.dataset.facet = name;
  box.dataset.value = value === null ? "" : value;
  box.addEventListener("change", () => {
    const values = (chosen[name] || []).filter((one) => one !== value);
    if (box.checked) values.push(value);
    if (values.length) chosen[name] = values;
    else delete chosen[name];
    refresh();
  });
  label.append(box, element("span", value === null ? "none" : value, "value"), element("span", count.toLocaleString("en"), "number"));
  return label;
}

function pills() {
  const nodes = [];
  const pill = (text, drop) => {
    const node = element("button", `${text} ✕`);
    node.addEventListener("click", () => {
      drop();
      refresh();
    });
    nodes.push(node);
  };
  for (const [name, [low, high]] of Object.entries(state.ranges)) pill(`${name} ${short(low)} to ${short(high)}`, () => delete state.ranges[name]);
  for (const [name, listed] of Object.entries(state.values)) pill(`${name}: ${listed.map((value) => value ?? "none").join(", ")}`, () => delete state.values[name]);
  by("chosen").replaceChildren(...nodes);
}

async function histogram(round) {
  by("histogram").hidden = !state.column;
  if (!state.column) return;
  const data = await call("histogram", { column: state.column, filters: conditions() });
  if (round === latest) draw(data);
}

const attempt = guarded(async (event) => {
  event.preventDefault();
  const condition = by("condition").value.trim();
  if (!condition) return;
  const trial = await call("try", { condition });
  const number = (count) => (count === null ? "" : count.toLocaleString("en"));
  by("tried").textContent = `${trial.changes.join("; ")}: ${number(trial.kept[0])} kept before, ${number(trial.kept[1])} after, of ${number(trial.samples)}`;
  const head = document.createElement("tr");
  head.append(...["rule", "drops before", "after", "reason"].map((name) => element("th", name)));
  const lines = trial.steps.map((step) => {
    const line = document.createElement("tr");
    line.append(element("td", step.rule), element("td", number(step.before), "number"), element("td", number(step.after), "number"), element("td", step.reason));
    return line;
  });
  by("steps").replaceChildren(head, ...lines);
  const place = about.workspace === null ? "" : ` --workspace ${argument(about.workspace)}`;
  by("command").textContent = `dataengine filter ${argument(about.title)}${place} --try ${argument(condition)} --write NAME --reason TEXT`;
  const values = (row) => Object.entries(row.values).map(([name, value]) => `${name} ${typeof value === "number" ? short(value) : value}`);
  only(trial.rows, `${trial.rows.length.toLocaleString("en")} change sides`, (row) => `${row.before} → ${row.after} · ${values(row).join(", ")}`);
  by("trial").hidden = false;
});

const nearest = guarded(async (query, name) => {
  const answer = await call("nearest", query);
  only(answer.rows, `${answer.rows.length} nearest`, (row) => `${row.score} · ${row.outcome}`);
  by("nearest").hidden = false;
  by("nearest").firstElementChild.textContent = `${name}: scores compare ${answer.compares}.`;
  close();
});

function only(rows, title, outcome) {
  latest += 1;
  loading = false;
  cards = rows;
  total = rows.length;
  by("trial").hidden = by("nearest").hidden = true;
  by("count").textContent = title;
  by("end").textContent = "";
  by("grid").replaceChildren(
    ...rows.map((row) => {
      const node = card(row);
      node.querySelector(".outcome").textContent = outcome(row);
      return node;
    }),
  );
}

const WIDE = 800, HIGH = 110;

function draw(data) {
  by("about").textContent = `${data.name}: ${data.count.toLocaleString("en")} values${data.log ? ", logarithmic" : ""}`;
  const bars = by("bars");
  bars.replaceChildren();
  if (!data.count) return;
  const scale = data.log ? Math.log : (x) => x;
  const [low, high] = [scale(data.edges[0]), scale(data.edges.at(-1))];
  const span = high - low || 1;
  const place = (x) => ((scale(x) - low) / span) * WIDE;
  const value = (position) => {
    const x = low + (Math.min(Math.max(position, 0), WIDE) / WIDE) * span;
    return data.log ? Math.exp(x) : x;
  };
  const most = Math.max(...data.all);
  const wide = WIDE / data.all.length;
  data.all.forEach((count, n) => {
    for (const [part, kind] of [[count, "all"], [data.kept[n], "in"]]) {
      const height = (part / most) * HIGH;
      const bar = shape("rect", { x: n * wide, y: HIGH - height, width: Math.max(wide - 1, 1), height, class: kind });
      bar.append(shape("title", {}, `${short(data.edges[n])} to ${short(data.edges[n + 1])}: ${count}, ${data.kept[n]} kept`));
      bars.append(bar);
    }
  });
  for (const limit of about.thresholds[data.name] || []) {
    const x = place(limit.value);
    if (!(x >= 0 && x <= WIDE)) continue;
    bars.append(shape("line", { x1: x, x2: x, y1: 0, y2: HIGH }));
    bars.append(shape("text", { x: x > WIDE / 2 ? x - 4 : x + 4, y: 12, "text-anchor": x > WIDE / 2 ? "end" : "start" }, `${limit.rule} ${limit.operator} ${limit.value}`));
  }
  bars.append(shape("text", { x: 0, y: HIGH + 16 }, short(data.edges[0])));
  bars.append(shape("text", { x: WIDE, y: HIGH + 16, "text-anchor": "end" }, short(data.edges.at(-1))));
  brush(bars, data.name, value);
}

function brush(bars, name, value) {
  const at = (event) => ((event.clientX - bars.getBoundingClientRect().left) / bars.getBoundingClientRect().width) * WIDE;
  let start = null;
  let mark = null;
  bars.onpointerdown = (event) => {
    start = at(event);
    bars.setPointerCapture(event.pointerId);
    mark = shape("rect", { x: start, y: 0, width: 0, height: HIGH, class: "brush" });
    bars.append(mark);
  };
  bars.onpointermove = (event) => {
    if (start === null) return;
    mark.setAttribute("x", Math.min(start, at(event)));
    mark.setAttribute("width", Math.abs(at(event) - start));
  };
  bars.onpointerup = (event) => {
    if (start === null) return;
    const ends = [start, at(event)].sort((a, b) => a - b);
    start = null;
    if (ends[1] - ends[0] < 4) delete state.ranges[name];
    else state.ranges[name] = ends.map(value);
    refresh();
  };
}

const show = guarded(async (row) => {
  open = row.input_id;
  shown = row;
  remember();
  for (const node of document.querySelectorAll(".card")) node.classList.toggle("open", node.dataset.input === open);
  const [life, group] = await Promise.all([
    call("input/" + encodeURIComponent(row.input_id), {}),
    row.group_id ? call("group/" + encodeURIComponent(row.group_id), {}) : { rows: [] },
  ]);
  if (open !== row.input_id) return;
  by("media").replaceChildren(...(row.id ? [media(row)] : []));
  for (const name of ["visuals", "bytes", "cot"]) by(name).replaceChildren();
  by("group").replaceChildren(...(group.rows.length > 1 ? group.rows.map(member) : []));
  by("lines").replaceChildren(
    ...life.lines.map(([name, text]) => {
      const line = document.createElement("tr");
      line.append(element("th", name), element("td", text));
      return line;
    }),
  );
  by("link").href = location.href;
  if (!by("life").open) by("life").showModal();
  beside(row);
});

function media(row) {
  if (!row.kind) return thumbnail(row.id);
  const node = document.createElement(row.kind === "video" ? "video" : "img");
  if (row.kind === "video") {
    node.controls = true;
    node.poster = "/thumbnail/" + encodeURIComponent(row.id);
  } else {
    node.alt = "";
  }
  node.addEventListener("error", () => node.replaceWith(thumbnail(row.id)), { once: true });
  node.src = "/media/" + encodeURIComponent(row.id);
  return node;
}

function member(row) {
  const node = element("button", "");
  node.append(thumbnail(row.id), element("p", [row.outcome, row.duplicate_kind, row.distance === undefined ? "" : short(row.distance)].filter(Boolean).join(" "), row.outcome), element("p", row.uri, "uri"));
  node.addEventListener("click", () => show(row));
  return node;
}

function move(step) {
  const place = cards.findIndex((row) => row.input_id === open) + step;
  if (place >= cards.length - 10) more();
  if (cards[place]) show(cards[place]);
}

function close() {
  by("life").close();
}

by("life").addEventListener("close", () => {
  open = null;
  by("media").replaceChildren();
  remember();
});
