// The page: sends sentences, shows moments as cards, plays them. No library, no build step, no other host.

const byId = (id) => document.getElementById(id);
const form = byId("search"), sentence = byId("sentence"), finer = byId("finer"), results = byId("results");
const status = byId("status"), viewer = byId("viewer"), player = byId("player"), still = byId("still");
const HISTORY = "ctf-history", HISTORY_LENGTH = 30;
const NAME = document.title;

const state = {
  hits: [], current: -1, query: "", moment: "", choices: {}, notes: [], warning: "", offset: 0, window: null, request: 0,
};

const clock = (seconds, decimals = 1) => {
  const parts = 10 ** decimals, all = Math.round(seconds * parts), whole = Math.floor(all / parts);
  const h = Math.floor(whole / 3600), m = Math.floor((whole % 3600) / 60), s = String(whole % 60).padStart(2, "0");
  const part = String(all % parts).padStart(decimals, "0");
  return (h ? `${h}:${String(m).padStart(2, "0")}` : `${m}`) + `:${s}.${part}`;
};
// Start and end, as fine as is needed to tell them apart.
const clocks = (span, between = " – ") => {
  const decimals = [1, 2].find((count) => clock(span.start_s, count) !== clock(span.end_s, count)) || 3;
  return clock(span.start_s, decimals) + between + clock(span.end_s, decimals);
};
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const showNotes = (more = []) => { byId("notes").textContent = [...state.notes, ...more].join("\n"); };
const say = (text, error = false) => { status.textContent = text; status.classList.toggle("error", error); };
const mediaUrl = (hit) => `media/${encodeURIComponent(hit.video_id)}`;
const pictureUrl = (hit, time) => `thumbnails/${encodeURIComponent(hit.video_id)}?t=${time.toFixed(1)}`;

async function getJson(url, options) {
  let answer;
  try { answer = await fetch(url, options); } catch { throw new Error("The server does not answer; is `ctf serve` running?"); }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const detail = Array.isArray(body.detail) ? body.detail.map((one) => one.msg).join("; ") : body.detail;
    throw new Error(detail || `The server answered ${answer.status}.`);
  }
  return body;
}

// What was chosen and is not as the server has it, as parameters of a request or link.
const STAGES = { coarse: "videos by", fine: "moments by" };
const NUMBERS = { k: "count", videos: "videos" }, COUNTED = { k: "moments", videos: "videos looked into" };
const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
const number = (id) => byId(id).value || byId(id).defaultValue;
function choices() {
  const chosen = {};
  for (const stage of Object.keys(STAGES)) {
    const list = byId(stage);
    if (list.selectedIndex > 0) chosen[stage] = list.value;
  }
  for (const [name, id] of Object.entries(NUMBERS)) {
    if (number(id) !== byId(id).defaultValue) chosen[name] = number(id);
  }
  return chosen;
}

// ---- search -----------------------------------------------------------------------------------------------------

// link: what `readLink` found, where a link and not the form is followed.
async function search(link = null) {
  const asked = sentence.value.trim();
  if (!asked) { say("Type a sentence first, such as “a red cat jumps on a beach”.", true); sentence.focus(); return; }
  const request = ++state.request;
  state.query = asked;
  state.moment = byId("finer-field").hidden ? "" : finer.value.trim();
  closeViewer();
  say("Searching…");
  state.notes = [];
  showNotes();
  const parameters = new URLSearchParams({ q: state.query, k: number("count"), videos: number("videos") });
  if (state.moment) parameters.set("m", state.moment);
  state.choices = choices();
  Object.entries(state.choices).forEach(([name, value]) => parameters.set(name, value));
  try {
    const answer = await getJson(`api/search?${parameters}`);
    if (request !== state.request) return;
    showHits(answer);
    remember(state.query);
    setLink(Boolean(link));
    if (link) openLinked(link);
  } catch (error) {
    if (request !== state.request) return;
    showResults([], []);
    if (link) showTitle(); else setLink();  // a link stays as it is: the server may answer later
    say(error.message, true);
  }
}

function showResults(hits, notes) {
  Object.assign(state, { hits, notes });
  showNotes();
  results.replaceChildren(...hits.map(card));
}

function showHits(answer) {
  showResults(answer.hits, answer.notes.filter((note) => note !== state.warning));
  say(answer.hits.length
    ? `${counted(answer.hits.length, "moment")} in ${(answer.timing_ms.search / 1000).toFixed(2)} s.`
    : "No moment found. The library may be empty: add a folder.");
}

function card(hit, index) {
  const middle = (hit.start_s + hit.end_s) / 2;
  const picture = element("img", { src: pictureUrl(hit, middle), alt: "", loading: "lazy", width: 320, height: 180 });
  picture.addEventListener("error", () => { picture.alt = "no picture"; }, { once: true });
  const bar = element("div", { className: "bar", ariaHidden: "true" }, place(element("span"), hit, hit.duration_s));
  const times = element("div", { className: "time", textContent: clocks(hit) });
  const score = element("div", { className: "quiet", textContent: `score ${hit.score.toFixed(2)} · video rank ${hit.coarse_rank}` });
  const title = element("div", { className: "title", dir: "auto", textContent: hit.title });
  const button = element("button", { className: "card", type: "button" },
    picture, element("div", { className: "text" }, title, times, score, bar));
  button.setAttribute("aria-label", `${hit.title}, ${clocks(hit, " to ")}, score ${hit.score.toFixed(2)}`);
  button.addEventListener("click", () => openHit(index));
  return element("li", {}, button);
}

function place(node, span, duration) {
  node.style.left = `${(100 * span.start_s) / duration}%`;
  node.style.width = `${(100 * (span.end_s - span.start_s)) / duration}%`;
  return node;
}

// ---- player -----------------------------------------------------------------------------------------------------

async function openHit(index, fromLink = false) {
  const hit = state.hits[index];
  state.current = index;
  [...results.querySelectorAll(".card")].forEach((one, at) => one.setAttribute("aria-current", String(at === index)));
  byId("viewer-title").textContent = hit.title;
  viewer.hidden = false;
  byId("timeline").replaceChildren();
  byId("curve").replaceChildren();
  setLink(fromLink);
  load(hit, hit, !fromLink);
  reveal();
  try {
    const found = await getJson(`api/videos/${encodeURIComponent(hit.video_id)}/moments?` +
      new URLSearchParams({ q: state.moment || state.query, ...(state.choices.fine ? { fine: state.choices.fine } : {}) }));
    if (state.current === index) { showTimeline(hit, found); showCurve(found); }
  } catch (error) { say(error.message, true); }
}

// The whole player if it fits on the screen, else its upper part.
function reveal() { viewer.scrollIntoView({ block: viewer.offsetHeight > innerHeight ? "start" : "nearest" }); }

function load(hit, window, play) {
  state.window = window;
  still.hidden = true;
  player.hidden = false;
  byId("notice").hidden = true;
  const asPreview = !hit.playable;
  const cut = (kind, start, end) => `${kind}/${encodeURIComponent(hit.video_id)}?start=${start}&end=${end}`;
  byId("save").href = cut("clips", window.start_s, window.end_s);
  byId("save").download = `${hit.title.replace(/\.[^.]*$/, "")} ${clock(window.start_s).replaceAll(":", "m")}s.mp4`;
  // What is added to times of the player to get times of the video, which count from its first frame.
  state.offset = asPreview ? Math.max(0, window.start_s - 2) : -hit.first_frame_s;
  const url = asPreview
    ? cut("previews", state.offset, Math.min(hit.duration_s, window.end_s + 2))
    : mediaUrl(hit);
  player.dataset.preview = String(asPreview);
  player.poster = pictureUrl(hit, window.start_s);
  if (asPreview) notice("This browser does not play the file itself; here is a preview of the moment.");
  if (player.getAttribute("src") !== url) { player.src = url; player.load(); }
  const start = () => {
    player.currentTime = window.start_s - state.offset;
    reveal();  // only now the height of the picture is known
    if (play) player.play().catch(() => {});
  };
  if (player.readyState >= 1) start(); else player.addEventListener("loadedmetadata", start, { once: true });
}

player.addEventListener("loadedmetadata", () => { if (!player.videoWidth) unplayable(); });
player.addEventListener("error", () => { if (player.getAttribute("src")) unplayable(); });

function unplayable() {
  const hit = state.hits[state.current];
  if (!hit) return;
  if (player.dataset.preview !== "true") { hit.playable = false; load(hit, state.window, true); return; }
  player.hidden = true;
  still.hidden = false;
  still.src = pictureUrl(hit, (state.window.start_s + state.window.end_s) / 2);
  still.alt = `The middle of the moment in ${hit.title}`;
  notice("Neither the file nor a preview of it can be played; this is the middle of the moment.");
}

still.addEventListener("error", async () => {
  still.hidden = true;
  const asked = still.src;
  try { await getJson(asked); } catch (error) { if (still.src === asked && player.hidden) notice(`Nothing can be shown: ${error.message}`); }
});

function notice(text) { byId("notice").textContent = text; byId("notice").hidden = false; }

const shownTime = () => player.currentTime + state.offset;
function moveCursor() {
  const cursor = byId("cursor"), hit = state.hits[state.current];
  if (cursor && hit) cursor.style.left = `${(100 * shownTime()) / hit.duration_s}%`;
}
player.addEventListener("timeupdate", () => {
  moveCursor();
  if (state.window && byId("loop").checked && shownTime() >= state.window.end_s) player.currentTime = state.window.start_s - state.offset;
});

function showTimeline(hit, found) {
  const bars = found.windows.slice(0, 30).map((window) => {
    const bar = place(element("button", { type: "button" }), window, found.duration_s);
    bar.setAttribute("aria-label", `Moment ${clocks(window, " to ")}, score ${window.score.toFixed(2)}`);
    bar.title = `${clocks(window)} · ${window.score.toFixed(2)}`;
    bar.style.opacity = String(0.35 + 0.65 * window.score);
    bar.addEventListener("click", () => {
      byId("timeline").querySelectorAll("button").forEach((one) => one.setAttribute("aria-current", String(one === bar)));
      load(hit, window, true);
    });
    return bar;
  });
  byId("timeline").replaceChildren(...bars.reverse(), element("i", { id: "cursor" }));
  moveCursor();  // a player that stands still does not tell its time again
}

function showCurve(found) {
  state.found = found;
  const values = byId("scaled").checked ? found.saliency_normalised : found.saliency;
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  const x = (clip) => Math.min((clip + 0.5) * found.clip_seconds, found.duration_s) / found.duration_s * 1000;
  const y = (value) => 95 - (90 * (value - low)) / span;
  const svg = byId("curve"), make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  svg.setAttribute("viewBox", "0 0 1000 100");
  const zero = make("line"), path = make("path"), title = make("title");
  Object.entries({ x1: 0, x2: 1000, y1: y(0), y2: y(0) }).forEach(([name, value]) => zero.setAttribute(name, value));
  path.setAttribute("d", values.map((value, clip) => `${clip ? "L" : "M"}${x(clip).toFixed(1)} ${y(value).toFixed(1)}`).join(""));
  const crosses = low <= 0 && high >= 0;
  title.textContent = `Saliency from ${low.toFixed(2)} to ${high.toFixed(2)}${crosses ? "; the line is zero" : ""}`;
  svg.replaceChildren(title, ...(crosses ? [zero] : []), path);
}

function closeViewer() {
  viewer.hidden = true;
  player.pause();
  player.removeAttribute("src");
  state.current = -1;
  results.querySelectorAll(".card").forEach((one) => one.setAttribute("aria-current", "false"));
}

byId("close").addEventListener("click", () => { const last = state.current; closeViewer(); focusCard(last); setLink(); });
byId("scaled").addEventListener("change", () => { if (state.found) showCurve(state.found); });
byId("link").addEventListener("click", async (event) => {
  event.preventDefault();
  try { await navigator.clipboard.writeText(byId("link").href); say("The link to this moment is copied."); }
  catch { say(`The link to this moment: ${byId("link").href}`); }
});
byId("again").addEventListener("click", () => load(state.hits[state.current], state.window, true));

// ---- links, history, keys -----------------------------------------------------------------------------------------

// The address of what is shown: a step of the history, or, where a link is followed, in the link's own place.
function setLink(fromLink = false) {
  const parameters = new URLSearchParams({ q: state.query });
  if (state.moment) parameters.set("m", state.moment);
  Object.entries(state.choices).forEach(([name, value]) => parameters.set(name, value));
  if (state.current >= 0) parameters.set("hit", String(state.current + 1));
  const hash = `#${parameters}`;
  byId("link").href = hash;
  if (location.hash !== hash) history[fromLink ? "replaceState" : "pushState"](null, "", hash);
  showTitle();
}

// After the step of the history is made: the step left behind keeps its own title.
function showTitle() {
  const asked = [state.query, state.moment].filter(Boolean).join(" → ");
  document.title = state.hits.length ? `${asked} · ${NAME}` : NAME;
}

function readLink() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  if (!parameters.get("q")) return;
  sentence.value = parameters.get("q");
  finer.value = parameters.get("m") || "";
  showFiner(Boolean(finer.value));
  const link = { hit: parameters.get("hit"), missing: [...readStages(parameters), ...readNumbers(parameters)] };
  const same = sentence.value === state.query && finer.value === state.moment && JSON.stringify(state.choices) === JSON.stringify(choices());
  if (same && state.hits.length) openLinked(link); else search(link);
}

// Both take over what is here and return what is not, in words.
function readStages(parameters) {
  return Object.entries(STAGES).flatMap(([stage, what]) => {
    const name = parameters.get(stage), list = byId(stage);
    list.selectedIndex = Math.max(0, [...list.options].findIndex((option) => option.value === name));
    return name && list.value !== name ? [`${what} “${name}” (${list.value} instead)`] : [];
  });
}
function readNumbers(parameters) {
  return Object.entries(NUMBERS).flatMap(([name, id]) => {
    const asked = parameters.get(name), field = byId(id);
    field.value = asked || "";
    if (!field.value || !field.checkValidity()) field.value = field.defaultValue;
    return asked && field.value !== asked ? [`“${asked}” ${COUNTED[name]} (${field.value} instead)`] : [];
  });
}

function openLinked({ hit, missing }) {
  const index = Number(hit) - 1, known = index in state.hits;
  if (known) openHit(index, true); else closeViewer();
  const all = hit && !known ? [...missing, `moment “${hit}” (of ${state.hits.length})`] : missing;
  showNotes(all.length ? [`The link asks for what is not here: ${all.join(", ")}.`] : []);
}

// The page as it was before the first search.
function startAgain() {
  state.request++;
  state.query = state.moment = "";
  form.reset();
  showFiner(false);
  closeViewer();
  showResults([], []);
  say("");
  showTitle();
}

function remember(text) {
  const known = [text, ...readHistory().filter((one) => one !== text)].slice(0, HISTORY_LENGTH);
  try { localStorage.setItem(HISTORY, JSON.stringify(known)); } catch { /* private mode: no history */ }
  showHistory(known);
}
function readHistory() { try { return JSON.parse(localStorage.getItem(HISTORY) || "[]"); } catch { return []; } }
function showHistory(known) { byId("history").replaceChildren(...known.map((text) => element("option", { value: text }))); }
function focusCard(index) { results.querySelectorAll(".card")[index]?.focus(); }

function showFiner(shown) {
  byId("finer-field").hidden = !shown;
  byId("finer-toggle").setAttribute("aria-expanded", String(shown));
  byId("finer-toggle").textContent = shown ? "One sentence only" : "Add a finer sentence";
}

byId("finer-toggle").addEventListener("click", () => { showFiner(byId("finer-field").hidden); if (!byId("finer-field").hidden) finer.focus(); });
form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); focusCard(0); });
addEventListener("popstate", () => { if (location.hash) readLink(); else startAgain(); });
const isTyping = (event) => event.target.matches("input, textarea, select, summary");
// Space belongs to the player unless the focus is on something that it presses; it no longer presses the card that is open.
const isForPlayer = (event) => event.key === " " && !viewer.hidden && !isTyping(event) && event.target !== player &&
  !event.target.closest("button:not(.card[aria-current=true])");
addEventListener("keyup", (event) => { if (isForPlayer(event)) event.preventDefault(); });  // Firefox presses then
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !viewer.hidden) byId("close").click();
  else if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "/") { event.preventDefault(); sentence.focus(); sentence.select(); }
  else if (isForPlayer(event)) {
    event.preventDefault();
    if (event.repeat) return;
    if (player.paused) player.play().catch(() => {}); else player.pause();
  } else if (["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"].includes(event.key) && event.target !== player) {
    const cards = [...results.querySelectorAll(".card")], at = cards.indexOf(document.activeElement);
    const next = at < 0 ? Math.max(0, state.current) : at + (event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1);
    if (cards[next]) { event.preventDefault(); cards[next].focus(); }
  }
});

// ---- library and indexing -----------------------------------------------------------------------------------------

async function showLibrary() {
  try {
    const about = await getJson("api/library");
    const hours = about.duration_s >= 3600 ? `${(about.duration_s / 3600).toFixed(1)} h` : `${Math.round(about.duration_s / 60)} min`;
    byId("library").textContent = `${counted(about.videos, "video")}, ${hours} · ${about.coarse} → ${about.fine} · encoder ${about.encoder}`;
    showWarning(about.warning || "");
    showModels(about);
    if (!about.videos && !about.indexing.running) {
      say("The library is empty. Add a folder of videos to it.");
      byId("add").open = true;
    }
    showIndexing(about.indexing);
    if (about.indexing.running) setTimeout(showLibrary, 500);
    return about;
  } catch (error) { byId("library").textContent = ""; say(error.message, true); return null; }
}

// Its first part is the line that opens; searches bring it too and do not repeat it.
function showWarning(text) {
  const [short, ...rest] = text.replace(/^the encoder /, "").split("; ");  // the line above names the encoder
  state.warning = text;
  byId("warning").hidden = !text;
  byId("warning").querySelector("summary").textContent = short;
  byId("warning").querySelector("p").textContent = rest.join("; ");
}

function showModels(about) {
  for (const [stage, names] of [["coarse", about.coarse_models], ["fine", about.fine_models]]) {
    if (byId(stage).options.length) continue;
    byId(stage).replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
  }
}

function showIndexing(run) {
  byId("indexing").hidden = !run.running;
  byId("progress").max = Math.max(1, run.total);
  byId("progress").value = run.done;
  byId("progress-text").textContent = run.total ? `Indexing ${run.done} of ${run.total}: ${run.item}` : "Looking for videos…";
}

byId("index").addEventListener("click", async () => {
  if (!byId("folder").value.trim()) { say("Type the path of a folder first, such as /home/me/Videos.", true); byId("folder").focus(); return; }
  try {
    await getJson("api/index", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ path: byId("folder").value }),
    });
    say("");
    const timer = setInterval(async () => {
      const about = await showLibrary();
      if (!about || about.indexing.running) return;
      clearInterval(timer);
      const { added, failed, error, total } = about.indexing;
      say(error || `${total || added || failed.length ? `${counted(added, "video")} added.` : "No video found there."}${failed.length ? ` ${counted(failed.length, "file")} failed: ${failed.map((one) => one.join(": ")).join("; ")}` : ""}`,
        Boolean(error || failed.length));
    }, 600);
  } catch (error) { say(error.message, true); }
});

const wide = matchMedia("(min-width: 40rem)");
const showOptions = () => { byId("options").open = wide.matches; };
wide.addEventListener("change", showOptions);
showOptions();
showHistory(readHistory());
showLibrary().then(readLink);
