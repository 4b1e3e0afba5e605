// A page reads itself again when the one stream says that something happened, and morphs what changed. Full times in the zone of the viewer.
"use strict";
(() => {
  const main = () => document.getElementById("main");
  const connection = document.getElementById("connection");
  const stamp = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const zone = new Intl.DateTimeFormat("en", { timeZoneName: "short" });
  let tag = null;
  let asking = false;
  let last = Date.now();

  function local(iso) {
    const at = new Date(iso);
    const name = zone.formatToParts(at).find((part) => part.type === "timeZoneName");
    return `${stamp.format(at)} ${name ? name.value : ""}`.trim();
  }

  function localise() {
    for (const each of document.querySelectorAll("time[data-full], time[data-read]")) each.textContent = local(each.dateTime);
    for (const each of document.querySelectorAll("time[data-ago]")) {
      const utc = each.title.split(" = ")[0];
      each.title = `${utc} = ${local(each.dateTime)}`;
    }
  }

  // What the viewer is doing is not taken away: a field that is being filled in, a form that is to be sent.
  function busy() {
    const field = document.activeElement?.closest("#main input, #main select, #main textarea");
    return Boolean(field) || document.hidden || main().querySelector("form[method=post]") !== null || String(getSelection()) !== "";
  }

  // Opened details, and what another script writes into (the output of a running job).
  function keep(fresh) {
    const now = [...main().querySelectorAll("details")];
    [...fresh.querySelectorAll("details")].forEach((each, place) => { each.open = Boolean(now[place]?.open); });
    for (const mine of main().querySelectorAll("[data-own]")) {
      const theirs = fresh.querySelector(`#${CSS.escape(mine.id)}[data-own]`);
      if (theirs) theirs.textContent = mine.textContent;
    }
  }

  async function reload() {
    const every = Number(main().dataset.every) * 1000;
    if (!every || asking || busy() || Date.now() - last < every - 100) return;
    asking = true;
    last = Date.now();
    try {
      const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || answer.status === 401) { location.assign("/login"); return; }
      if (answer.status === 304) read(new Date().toISOString());
      if (answer.status !== 200) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      if (!fresh || busy()) return;
      tag = answer.headers.get("ETag");
      keep(fresh);
      await htmx.swap({ text: fresh.outerHTML, target: main(), swap: "outerMorph", sourceElement: main() });
      localise();
    } catch {
      // The stream tells that the server is away; the next message asks again.
    } finally {
      asking = false;
    }
  }

  function read(iso) {
    const time = main().querySelector("time[data-read]");
    if (time) { time.dateTime = iso; time.title = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`; time.textContent = local(iso); }
  }

  connection.addEventListener("changed", reload);
  localise();
})();
