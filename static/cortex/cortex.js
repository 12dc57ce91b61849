// What the console's pages do beside htmx. Everything here is found by data attributes, works on what htmx brings in later,
// and only adds to pages that work without it. No eval, no inline script or style: it runs under `script-src 'self'`.
(() => {
  "use strict";
  const all = (selector, root = document) => [...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector)];
  const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog[open]");
  const loaded = {};
  const load = (src) => (loaded[src] ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject });
    document.head.append(script);
  }));
  const announce = (text) => { document.getElementById("announcer").textContent = text; };

  // ---- times -------------------------------------------------------------------------------------------------------
  const STEPS = [[86400, "d"], [3600, "h"], [60, "min"]];
  function ago(then, now) {
    const seconds = (now - then) / 1000;
    for (const [step, unit] of STEPS) {
      const n = Math.floor(Math.abs(seconds) / step);
      if (n >= 1) return seconds > 0 ? `${n} ${unit} ago` : `in ${n} ${unit}`;
    }
    return seconds >= 0 ? "just now" : "in a moment";
  }
  function left(seconds) {
    if (seconds >= 86400) return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
    return h ? `${h}:${String(m).padStart(2, "0")}:${String(s).padStart(2, "0")}` : `${m}:${String(s).padStart(2, "0")}`;
  }
  function tick() {
    const now = Date.now();
    for (const node of document.querySelectorAll("[data-countdown]")) {
      const seconds = Math.ceil((Date.parse(node.dataset.countdown) - now) / 1000);
      node.textContent = seconds > 0 ? left(seconds) : "now";
      if (seconds <= 0 && !node.dataset.elapsed) {
        node.dataset.elapsed = "1";
        node.dispatchEvent(new CustomEvent("cortex:elapsed", { bubbles: true }));
      }
    }
    if (now % 30000 < 1000) for (const node of document.querySelectorAll("time[data-ago]")) node.textContent = ago(Date.parse(node.dateTime), now);
  }

  // ---- plots -------------------------------------------------------------------------------------------------------
  // A figure names colours as tokens, "var(--cx-good)" or "var(--cx-model-3~20)" for 20 % of it, so that it follows the theme.
  const TOKEN = /^var\((--[\w-]+?)(?:~(\d{1,3}))?\)$/;
  function coloured(node, style) {
    if (Array.isArray(node)) return node.map((value) => coloured(value, style));
    if (node && typeof node === "object") return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, coloured(v, style)]));
    const match = typeof node === "string" && TOKEN.exec(node);
    if (!match) return node;
    const colour = style.getPropertyValue(match[1]).trim();
    return match[2] ? colour + Math.round(match[2] * 2.55).toString(16).padStart(2, "0") : colour;
  }
  function template(style) {
    const token = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: token("--cx-grid"), linecolor: token("--cx-grid"), zerolinecolor: token("--cx-axis"), zerolinewidth: 1, ticks: "", automargin: true, title: { standoff: 8 } };
    return { layout: {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: token("--cx-plot-text") },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", xaxis: { ...axis, showgrid: false }, yaxis: axis,
      colorway: Array.from({ length: 12 }, (_, i) => token(`--cx-model-${i}`)),
      margin: { l: 8, r: 8, t: 8, b: 8 }, hovermode: "closest", dragmode: false, showlegend: false,
      hoverlabel: { bgcolor: token("--cx-surface"), bordercolor: token("--cx-axis"), font: { color: token("--cx-plot-text") } },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    } };
  }
  function draw(plot) {
    const style = getComputedStyle(document.documentElement);
    const figure = coloured(JSON.parse(document.getElementById(plot.dataset.figure).textContent), style);
    const layout = { ...figure.layout, template: template(style), width: plot.clientWidth, height: plot.clientHeight };
    plot.classList.remove("skeleton");
    return window.Plotly.react(plot, figure.data, layout, { displayModeBar: false, scrollZoom: false, doubleClick: false });
  }
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.clientWidth && target._fullLayout && target._fullLayout.width !== target.clientWidth) draw(target);
    }
  });
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      load(document.body.dataset.plotly).then(() => draw(target)).then(() => resized.observe(target))
        .catch(() => { target.classList.remove("skeleton"); target.textContent = "The plot could not be drawn; the table below has its numbers."; });
    }
  }, { rootMargin: "200px" });
  const redraw = () => { if (window.Plotly) document.querySelectorAll(".plot[data-figure]").forEach((plot) => plot._fullLayout && draw(plot)); };
  document.addEventListener("cortex:theme", redraw);
  let shown;
  addEventListener("beforeprint", () => { shown = document.documentElement.dataset.bsTheme; document.documentElement.dataset.bsTheme = "light"; redraw(); });
  addEventListener("afterprint", () => { document.documentElement.dataset.bsTheme = shown; redraw(); });

  // ---- lists in an order ---------------------------------------------------------------------------------------------
  function sorted(list, item) {
    const items = [...list.children];
    items.forEach((li, i) => { const rank = li.querySelector("[data-rank]"); if (rank) rank.textContent = `${i + 1}.`; });
    if (item) announce(`${item.dataset.name || "Item"} is now number ${items.indexOf(item) + 1} of ${items.length}`);
    list.dispatchEvent(new CustomEvent("cortex:sorted", { bubbles: true }));
  }
  function sortable(list) {
    load(document.body.dataset.sortableSrc).then(() => {
      window.Sortable.create(list, { handle: "[data-handle]", animation: 120, onEnd: (event) => { if (event.oldIndex !== event.newIndex) sorted(list, event.item); } });
    });
    list.addEventListener("keydown", (event) => {
      const item = event.target.closest("[data-handle]") && event.target.closest("li");
      const other = item && { ArrowUp: item.previousElementSibling, ArrowDown: item.nextElementSibling }[event.key];
      if (!other) return;
      event.preventDefault();
      if (event.key === "ArrowUp") other.before(item); else other.after(item);
      event.target.focus();
      sorted(list, item);
    });
  }

  // ---- toasts, dialogs, the editor -----------------------------------------------------------------------------------
  function toast(text, level = "info") {
    const line = Object.assign(document.createElement("div"), { className: `toast-line toast-${level}` });
    line.setAttribute("role", level === "error" ? "alert" : "status");
    const close = Object.assign(document.createElement("button"), { type: "button", className: "btn-close" });
    close.dataset.dismiss = ".toast-line";
    close.setAttribute("aria-label", "Dismiss");
    line.append(Object.assign(document.createElement("span"), { textContent: text }), close);
    document.getElementById("toasts").append(line);
    fade(line);
  }
  // What went wrong stays until it is dismissed; the rest has been read after eight seconds, unless someone is pointing at it.
  function fade(line) {
    if (line.matches(".toast-error, .toast-warning")) return;
    setTimeout(() => { if (line.matches(":hover, :focus-within")) fade(line); else line.remove(); }, 8000);
  }
  function ask(text) {
    const dialog = document.getElementById("confirm");
    dialog.querySelector(".dialog-text").textContent = text;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
  }
  document.addEventListener("submit", (event) => {
    const text = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (!text || event.target.dataset.confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(text).then((yes) => {
      if (!yes) return;
      event.target.dataset.confirmed = "1";
      event.target.requestSubmit(event.submitter || undefined);
      delete event.target.dataset.confirmed;
    });
  }, true);
  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    const opener = on("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog).showModal();
    else if (on("[data-dialog-close]")) on("dialog").close();
    else if (event.target.matches("dialog.dialog")) event.target.close();  // the backdrop
    else if (on("[data-dismiss]")) on(on("[data-dismiss]").dataset.dismiss).remove();
    else if (on("[data-copy]")) {
      const button = on("[data-copy]");
      navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim())
        .then(() => toast("Copied", "success"), () => toast("The browser did not allow copying: select the text and copy it by hand.", "warning"));
    }
  });
  const editor = () => window.tabler.Offcanvas.getOrCreateInstance("#editor");

  // ---- keys --------------------------------------------------------------------------------------------------------
  const store = { get: () => { try { return localStorage.getItem("cortex-keys"); } catch { return null; } }, set: (v) => { try { localStorage.setItem("cortex-keys", v); } catch { /* for this page only */ } } };
  let keys = store.get() !== "off";
  let going = 0;
  function step(by) {
    const links = [...document.querySelectorAll("[data-rows] [data-row-link]")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at < 0 ? 0 : at + by, 0), links.length - 1)]?.focus();
  }
  document.addEventListener("keydown", (event) => {
    if (!keys || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (Date.now() - going < 1200) {
      going = 0;
      document.querySelector(`.nav-link[data-key="${CSS.escape(event.key)}"]`)?.click();
      return;
    }
    const act = { "/": () => document.querySelector("[data-filter], input[type=search]")?.focus(), "?": () => document.getElementById("shortcuts").showModal(),
      g: () => { going = Date.now(); }, j: () => step(1), k: () => step(-1) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-shortcuts-switch]")) return;
    keys = event.target.checked;
    store.set(keys ? "on" : "off");
  });

  // ---- htmx --------------------------------------------------------------------------------------------------------
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    ask(event.detail.question).then((yes) => yes && event.detail.issueRequest(true));
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // The session ended: the answer is the log-in page, which does not belong in a part of this one.
    const path = new URL(event.detail.xhr.responseURL || location.href).pathname;
    if (path !== document.body.dataset.loginPath) return;
    event.detail.shouldSwap = false;
    location.assign(`${path}?next=${encodeURIComponent(location.pathname + location.search)}`);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "editor-body") return;
    const heading = event.detail.target.querySelector("[data-editor-title]");
    if (heading) document.getElementById("editor-title").textContent = heading.dataset.editorTitle;
    editor().show();
  });
  document.addEventListener("editor:close", () => editor().hide());
  document.addEventListener("toast", (event) => toast(event.detail.text ?? event.detail.value, event.detail.level));
  document.addEventListener("htmx:responseError", ({ detail: { xhr } }) => toast(
    xhr.status === 403 ? "You may not do this. Nothing was changed." : `Cortex answered ${xhr.status}. Nothing was changed; reload and try again.`, "error"));
  document.addEventListener("htmx:sendError", () => toast("Cortex cannot be reached. Nothing was changed.", "error"));

  // ---- start, here and in whatever htmx brings -----------------------------------------------------------------------
  function mount(root) {
    all(".plot[data-figure]", root).forEach((plot) => seen.observe(plot));
    all("[data-sortable]", root).forEach(sortable);
    all(".toast-line", root).forEach(fade);
    tick();
  }
  document.addEventListener("htmx:load", (event) => { if (event.detail.elt !== document.body) mount(event.detail.elt); });
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    if (event.detail.elt._fullLayout) { resized.unobserve(event.detail.elt); window.Plotly.purge(event.detail.elt); }
  });
  document.querySelectorAll(".nav-link[data-key]").forEach((link) => {
    const line = Object.assign(document.createElement("li"), { textContent: ` ${link.querySelector(".nav-link-title").textContent}` });
    line.prepend(Object.assign(document.createElement("kbd"), { textContent: link.dataset.key }));
    document.querySelector("[data-key-pages]").append(line);
  });
  const keySwitch = document.querySelector("[data-shortcuts-switch]");
  if (keySwitch) keySwitch.checked = keys;
  mount(document.body);
  setInterval(tick, 1000);
})();
