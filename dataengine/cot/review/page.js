"use strict";
const by = (id) => document.getElementById(id);
let shown = null;
let chosen = 0;

function text(tag, value, kind) {
  const made = document.createElement(tag);
  made.textContent = value;
  if (kind) made.className = kind;
  return made;
}

async function call(path, body) {
  const reply = await fetch(path, body ? { method: "POST", body: JSON.stringify(body) } : {});
  const told = await reply.json();
  if (!reply.ok) throw new Error(told.error);
  return told;
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
  const made = document.createElement(moving ? "video" : "img");
  made.src = address;
  if (moving) made.controls = true;
  return made;
}

function choose(index) {
  chosen = index;
  for (const one of document.querySelectorAll(".path")) one.classList.toggle("chosen", Number(one.dataset.index) === index);
}

function paths(item) {
  by("paths").replaceChildren(
    ...item.paths.map((path, place) => {
      const made = text("article", "", "path");
      made.dataset.index = path.index;
      const head = text("p", "");
      head.append(text("span", `${place + 1} · ${path.grade || "?"}`, "grade"), text("span", path.reasons.join(", "), "reasons"));
      if (path.confidence !== null) head.append(text("span", ` log-probability ${path.confidence}`));
      made.append(head, text("p", path.text, "text"));
      made.addEventListener("click", () => choose(path.index));
      return made;
    }),
  );
}

function show(told) {
  by("progress").textContent = `${told.decided} of ${told.total} decided`;
  shown = told.item ? told : null;
  by("work").hidden = !shown;
  by("done").hidden = Boolean(shown);
  by("editor").hidden = true;
  by("comment").value = told.decision ? told.decision.comment : "";
  if (!shown) {
    history.replaceState(null, "", "/");
    return;
  }
  const item = told.item;
  history.replaceState(null, "", "/#" + item.qid);
  media(item);
  paths(item);
  choose(told.decision && told.decision.path !== null ? told.decision.path : item.chosen);
  by("about").textContent = `${item.mode} · ${item.task} · here because: ${item.why}`;
  by("question").textContent = item.question;
  by("answer").textContent = item.answer;
  by("decided").textContent = told.decision ? `${told.decision.reviewer}: ${told.decision.action}` : "";
}

const next = guarded(async () => {
  const after = shown ? shown.item.qid : "";
  const told = await call(`/api/next?reviewer=${encodeURIComponent(reviewer())}&after=${encodeURIComponent(after)}`);
  if (!reviewer() && told.reviewer) by("reviewer").value = told.reviewer;
  show(told);
});

function decide(action) {
  return guarded(async () => {
    if (!shown) return;
    const told = { qid: shown.item.qid, reviewer: reviewer(), action, path: chosen, comment: by("comment").value };
    if (action === "edit") told.text = by("text").value;
    await call("/api/decide", { ...told, item: shown.digest });
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
