"use strict";
/* The tab of chain-of-thought records. All of their texts are shown as text. */
const RECORDS = 20;
let listed = 0;
let questions = 0;

function turn(name) {
  state.tab = name;
  refresh();
}

function recordFilters() {
  return JSON.stringify({ values: state.records, ranges: {}, words: state.words });
}

async function refreshRecords(round) {
  const filters = recordFilters();
  const [page, counts] = await Promise.all([call("records", { filters, offset: 0, limit: RECORDS }), call("record-counts", { filters })]);
  if (round !== latest) return;
  listed = 0;
  by("records-list").replaceChildren();
  addRecords(page);
  loading = false;
  facets(by("records-facets"), counts, state.records);
  const chosen = Object.entries(state.records).map(([name, values]) => {
    const node = element("button", `${name}: ${values.map((value) => value ?? "none").join(", ")} ✕`);
    node.addEventListener("click", () => {
      delete state.records[name];
      refresh();
    });
    return node;
  });
  by("records-chosen").replaceChildren(...chosen);
}

async function moreRecords() {
  if (loading || listed >= questions) return;
  loading = true;
  const round = latest;
  try {
    const page = await call("records", { filters: recordFilters(), offset: listed, limit: RECORDS });
    if (round === latest) addRecords(page);
  } finally {
    if (round === latest) loading = false;
  }
}

function addRecords(page) {
  questions = page.count;
  listed += page.rows.length;
  by("count").textContent = `${page.count.toLocaleString("en")} of ${page.total.toLocaleString("en")} questions`;
  by("records-note").textContent = page.note;
  by("records-list").append(...page.rows.map(record));
  by("records-end").textContent = listed >= questions ? "" : "…";
}

function record(row) {
  const node = element("article", "", "record");
  node.dataset.rid = row.rid;
  const line = element("p", "", "headline");
  line.append(...headline(row));
  node.append(line, ...texts(row));
  if (row.sample !== row.rid || !row.question) {
    const sample = element("button", "its sample");
    sample.addEventListener("click", guarded(async () => show(await call(`sample/${encodeURIComponent(row.sample)}`, {}))));
    node.append(sample);
  }
  return node;
}

function headline(row) {
  const outcome = row.outcome === "kept" ? "kept" : `${row.outcome} at ${row.step}: ${row.reason}`;
  const nodes = [];
  if (row.grade) nodes.push(element("span", row.grade, `grade grade-${row.grade}`));
  nodes.push(element("b", `${row.mode} · ${row.task}`), element("span", outcome, `outcome ${row.outcome === "kept" ? "kept" : "filtered"}`));
  nodes.push(element("span", [row.difficulty, row.teacher].filter(Boolean).join(" · "), "quiet"));
  return nodes;
}

function texts(row) {
  if (!row.question) return [];
  const nodes = [blocks(row.rid, row.question, "question")];
  if (row.reply.length) nodes.push(blocks(row.rid, row.reply, "reply"));
  if (row.answer) nodes.push(element("p", `answer: ${row.answer}`, "quiet"));
  if (row.paths.length) {
    const box = document.createElement("details");
    box.append(element("summary", `${row.paths.length} ${row.paths.length === 1 ? "path" : "paths"}`), ...row.paths.map(path));
    nodes.push(box);
  }
  return nodes;
}

function path(one) {
  const node = element("div", "", "path");
  const what = [`path ${one.index}`, one.teacher, one.grade && `grade ${one.grade}`, one.answer && `answer ${one.answer}`, one.injected && `error put in: ${one.injected}`, one.reasons];
  node.append(element("p", what.filter(Boolean).join(" · "), "quiet"));
  if (one.text) node.append(element("pre", one.text));
  return node;
}

function blocks(rid, listed, kind) {
  const node = element("div", "", kind);
  for (const block of listed) {
    if (block.type === "text") node.append(element("p", block.text));
    else node.append(shownIn(rid, block));
  }
  return node;
}

function shownIn(rid, block) {
  const [kind, name] = (block.image || block.video || "").split(":");
  if (kind === "sample") {
    if (block.type !== "video") return thumbnail(name);
    const node = element("span", "", "film");
    node.append(thumbnail(name), element("span", ` ${block.nframes} frames of a video`, "quiet"));
    return node;
  }
  if (block.type !== "video") return observation(rid, name);
  const film = element("span", "", "film");
  for (let n = 0; n < block.nframes; n += 1) film.append(observation(rid, String(Number(name) + n)));
  film.append(element("span", ` ${block.nframes} frames of a video`, "quiet"));
  return film;
}

function observation(rid, name) {
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.alt = `picture ${name}`;
  picture.src = `/observation/${encodeURIComponent(rid)}/obs${encodeURIComponent(name)}.png`;
  picture.addEventListener("error", () => picture.replaceWith(element("span", `[picture ${name}]`)));
  return picture;
}
