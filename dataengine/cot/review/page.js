"use strict";
const by = (id) => document.getElementById(id);
let shown = null;
let chosen = 0;

const REASONS = {
  process: "flawed reasoning",
  unsettled: "models do not agree on the answer",
  redundant: "longer than needed",
  unsure: "a step of low confidence",
};

function element(tag, value, kind) {
  const node = document.createElement(tag);
  node.textContent = value;
  if (kind) node.className = kind;
  return node;
}

async function call(path, body) {
  const response = await fetch(path, body ? { method: "POST", body: JSON.stringify(body) } : {});
  const data = await response.json();
  if (!response.ok) throw new Error(data.error);
  return data;
}

function reviewer() {
  return by("reviewer").value.trim();
}

function guarded(work) {
  return async () => {
    by("error").textContent = "";
    try {
      await work();
    } catch (error) {
      by("error").textContent = error.message;
    }
  };
}

function media(item) {
  const place = by("media");
  place.replaceChildren();
  for (const id of item.media) place.append(picture("/media/" + id, item.mode === "video" && !item.images.length));
  for (const name of item.images) {
    const one = picture("/media/" + item.qid + "/" + name, false);
    one.classList.add("small");
    place.append(one);
  }
}

function picture(address, moving) {
  const node = document.createElement(moving ? "video" : "img");
  node.src = address;
  if (moving) node.controls = true;
  return node;
}

function choose(index) {
  chosen = index;
  for (const one of document.querySelectorAll(".path")) one.classList.toggle("chosen", Number(one.dataset.index) === index);
}

function paths(item) {
  by("paths").replaceChildren(
    ...item.paths.map((path, place) => {
      const node = element("article", "", "path");
      node.dataset.index = path.index;
      const head = element("p", "");
      head.append(element("span", `Path ${place + 1} · grade ${path.grade || "?"}`, "grade"));
      head.append(element("span", path.reasons.join(", "), "reasons"));
      if (path.confidence !== null) head.append(element("span", ` mean log-probability ${path.confidence}`));
      node.append(head, element("p", path.text, "text"));
      node.addEventListener("click", () => choose(path.index));
      return node;
    }),
  );
}

function show(view) {
  by("progress").textContent = `${view.decided} of ${view.total} decided`;
  shown = view.item ? view : null;
  by("work").hidden = !shown;
  by("done").hidden = Boolean(shown);
  by("editor").hidden = true;
  by("comment").value = view.decision ? view.decision.comment : "";
  if (!shown) {
    history.replaceState(null, "", "/");
    return;
  }
  const item = view.item;
  history.replaceState(null, "", "/#" + item.qid);
  media(item);
  paths(item);
  choose(view.decision && view.decision.path !== null ? view.decision.path : item.chosen);
  by("about").textContent = `${item.mode} · ${item.task} · needs review: ${REASONS[item.why] || item.why}`;
  by("question").textContent = item.question;
  by("answer").textContent = item.answer;
  by("decided").textContent = view.decision ? `${view.decision.reviewer}: ${view.decision.action}` : "";
}

const next = guarded(async () => {
  const after = shown ? shown.item.qid : "";
  const view = await call(`/api/next?reviewer=${encodeURIComponent(reviewer())}&after=${encodeURIComponent(after)}`);
  if (!reviewer() && view.reviewer) by("reviewer").value = view.reviewer;
  show(view);
});

function decide(action) {
  return guarded(async () => {
    if (!shown) return;
    const decision = { qid: shown.item.qid, reviewer: reviewer(), action, path: chosen, comment: by("comment").value };
    if (action === "edit") decision.text = by("text").value;
    await call("/api/decide", { ...decision, item: shown.digest });
    await next();
  });
}

function edit() {
  if (!shown) return;
  by("text").value = shown.item.paths.find((path) => path.index === chosen).text;
  by("editor").hidden = false;
  by("text").focus();
}

const KEYS = { a: decide("accept"), r: decide("reject"), e: edit, j: next, c: () => by("comment").focus() };

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const number = Number(event.key);
  if (number >= 1 && shown && shown.item.paths[number - 1]) choose(shown.item.paths[number - 1].index);
  if (KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

by("accept").addEventListener("click", KEYS.a);
by("reject").addEventListener("click", KEYS.r);
by("edit").addEventListener("click", edit);
by("next").addEventListener("click", next);
by("save").addEventListener("click", decide("edit"));
by("cancel").addEventListener("click", () => (by("editor").hidden = true));
by("reviewer").value = localStorage.getItem("reviewer") || "";
by("reviewer").addEventListener("change", () => {
  localStorage.setItem("reviewer", reviewer());
  shown = null;
  next();
});

guarded(async () => {
  const wanted = location.hash.slice(1);
  if (wanted) show(await call("/api/item/" + wanted));
  else await next();
})();
