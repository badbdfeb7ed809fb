"use strict";
/* What is shown of an input beside its media: sampled frames and codes of its sample, first bytes of a failed one, CoT records. */

function beside(row) {
  if (row.id) setTimeout(() => open === row.input_id && part("visuals", `visuals/${encodeURIComponent(row.id)}`, row, (answer) => visuals(row, answer)), 150);
  if (row.outcome === "failed") part("bytes", `bytes/${encodeURIComponent(row.input_id)}`, row, bytes);
  if (row.id && about.records) {
    const filters = JSON.stringify({ values: { sample: [row.id] } });
    part("cot", "records", row, (answer) => recordsOf(row, answer), { filters, limit: 10 });
  }
}

async function part(name, what, row, nodes, query = {}) {
  try {
    const answer = await call(what, query);
    if (open === row.input_id) by(name).replaceChildren(...nodes(answer));
  } catch (error) {
    if (open === row.input_id) by(name).replaceChildren(element("p", error.message, "hint"));
  }
}

function visuals(row, answer) {
  if (!row.kind && answer.kind) {
    row = { ...row, kind: answer.kind };
    by("media").replaceChildren(media(row));
  }
  const notes = [answer.sampled, answer.codes, ...answer.notes].filter(Boolean).map((text) => element("p", text, "hint"));
  if (row.kind !== "video") {
    if (!answer.frames.length) return notes;
    return [pair(row, answer.codes), ...answer.notes.map((text) => element("p", text, "hint"))];
  }
  if (!answer.frames.length) return notes;
  const strip = element("div", "", "strip");
  strip.tabIndex = 0;
  const cuts = [...answer.cuts];
  for (const frame of answer.frames) {
    while (cuts.length && cuts[0] <= frame.time) strip.append(cut(cuts.shift()));
    strip.append(still(row.id, frame));
  }
  for (const time of cuts) strip.append(cut(time));
  const shots = answer.cuts.length + 1;
  const counted = element("h2", `Frames as a model sees them${answer.cuts.length ? `, ${shots} shots` : ""}`);
  return [counted, strip, ...notes];
}

function pair(row, codes) {
  const box = element("div", "", "pair");
  const picture = document.createElement("img");
  picture.alt = "from its codes";
  picture.src = `/reconstruction/${encodeURIComponent(row.id)}/0`;
  box.append(figure([...by("media").childNodes], "original"), figure([picture], `from its codes: ${codes}`));
  return box;
}

function figure(pictures, caption) {
  const node = element("figure", "");
  node.append(...pictures, element("figcaption", caption));
  return node;
}

function still(id, frame) {
  const node = element("figure", "", `still ${frame.kind}`);
  for (const [place, name] of [["frame", "picture"], ["reconstruction", "reconstruction"]]) {
    if (frame[name] === undefined) continue;
    const picture = document.createElement("img");
    picture.loading = "lazy";
    picture.alt = name === "picture" ? "" : "from its codes";
    picture.title = name === "picture" ? "sampled frame" : "from its codes";
    picture.src = `/${place}/${encodeURIComponent(id)}/${frame[name]}`;
    node.append(picture);
  }
  node.append(element("figcaption", `${frame.time.toFixed(1)} s ${frame.kind}`));
  return node;
}

function cut(time) {
  const node = element("span", "", "cut");
  node.title = `a shot begins at ${time.toFixed(2)} s`;
  return node;
}

function bytes(answer) {
  const nodes = [element("h2", "First bytes")];
  if (answer.note) nodes.push(element("p", answer.note, "hint"));
  if (answer.lines.length) nodes.push(element("pre", answer.lines.join("\n")));
  return nodes;
}

function recordsOf(row, answer) {
  if (!answer.count) return [];
  const title = element("h2", `${answer.count.toLocaleString("en")} CoT questions about it `);
  if (answer.count > answer.rows.length) {
    const all = element("button", "all");
    all.addEventListener("click", () => {
      close();
      state.records = { sample: [row.id] };
      turn("records");
    });
    title.append(all);
  }
  return [title, ...answer.rows.map((one) => folded(one))];
}

function folded(row) {
  const node = document.createElement("details");
  node.className = "record";
  const line = element("summary", "");
  line.append(...headline(row));
  node.append(line, ...texts(row));
  return node;
}
