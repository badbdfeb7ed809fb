"use strict";
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow") && event.target.matches(".strip")) return;
  const moves = open || state.tab === "inputs";
  const act = {
    "/": () => by("words").focus(),
    j: () => moves && move(1),
    k: () => moves && move(-1),
    r: () => about.records && turn(state.tab === "records" ? "inputs" : "records"),
    ArrowRight: () => open && move(1),
    ArrowLeft: () => open && move(-1),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

by("try").addEventListener("submit", attempt);
by("forget").addEventListener("click", () => refresh());
by("nearest").lastElementChild.addEventListener("click", () => refresh());
by("meaning").addEventListener("click", () => by("words").value.trim() && nearest({ text: by("words").value.trim() }, by("words").value.trim()));
by("similar").addEventListener("click", () => shown && shown.id && nearest({ id: shown.id }, shown.uri));

let waiting = 0;
by("words").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    state.words = by("words").value;
    refresh();
  }, 200);
});
by("sort").addEventListener("change", () => {
  state.sort = by("sort").value;
  refresh();
});
by("order").addEventListener("click", () => {
  state.order = state.order === "up" ? "down" : "up";
  by("order").textContent = state.order === "up" ? "↑" : "↓";
  refresh();
});
by("column").addEventListener("change", () => {
  state.column = by("column").value;
  refresh();
});
by("before").addEventListener("click", () => move(-1));
by("after").addEventListener("click", () => move(1));
by("close").addEventListener("click", close);
for (const name of ["inputs", "records"]) by(`tab-${name}`).addEventListener("click", () => turn(name));
new IntersectionObserver((seen) => seen[0].isIntersecting && more(), { rootMargin: "600px" }).observe(by("end"));
new IntersectionObserver((seen) => seen[0].isIntersecting && more(), { rootMargin: "600px" }).observe(by("records-end"));

guarded(async () => {
  const wanted = recall();
  about = await call("about", {});
  by("title").textContent = about.title;
  by("tabs").hidden = !about.records;
  if (!about.records || state.tab !== "records") state.tab = "inputs";
  for (const name of about.columns) by("sort").append(new Option(name, name));
  for (const name of about.numbers) by("column").append(new Option(name, name));
  by("words").value = state.words;
  by("sort").value = state.sort;
  by("column").value = state.column;
  by("order").textContent = state.order === "up" ? "↑" : "↓";
  if (matchMedia("(max-width: 700px)").matches) by("side").open = by("records-side").open = false;
  await refresh();
  if (wanted) await show(cards.find((row) => row.input_id === wanted) || (await call("one/" + encodeURIComponent(wanted), {})));
})();
