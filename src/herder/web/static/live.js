// How fresh the page is (live, reconnecting, stale since), and ages that count by themselves. htmx holds the stream.
"use strict";
(() => {
  const SILENCE_MS = 20000; // the server sends a point each second or two
  const RETRY_MS = 3000;
  const connection = document.getElementById("connection");
  const text = document.getElementById("connection-text");
  let heard = Date.now();
  let connected = false;
  let skew = 0; // server's clock minus ours

  function show(state, words) {
    if (connection.dataset.state !== state) connection.dataset.state = state;
    if (text.textContent !== words) text.textContent = words;
  }

  function refresh() {
    const silent = Date.now() - heard;
    if (connected && silent < SILENCE_MS) show("live", "live");
    else if (silent < SILENCE_MS) show("reconnecting", "reconnecting …");
    else show("stale", `stale since ${new Date(heard).toLocaleTimeString([], { hour12: false })}`);
  }

  function lost() {
    connected = false;
    refresh();
  }

  connection.addEventListener("htmx:sse:after:connection", () => { connected = true; heard = Date.now(); refresh(); });
  connection.addEventListener("htmx:sse:before:message", () => { connected = true; heard = Date.now(); refresh(); });
  connection.addEventListener("htmx:sse:before:connection", (event) => { if (event.detail.connection.attempt > 0) lost(); });
  connection.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) location.assign("/login"); else lost();
  });
  connection.addEventListener("htmx:sse:close", lost);
  connection.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx?.response?.status === 401) location.assign("/login"); else lost();
  });
  // The first connection is an ordinary request, which htmx does not repeat; ours is ignored while a stream is open.
  let asking = false;
  connection.addEventListener("htmx:before:request", () => { asking = true; });
  connection.addEventListener("htmx:finally:request", () => { asking = false; });
  setInterval(() => {
    if (!connected && !asking && !document.hidden) connection.dispatchEvent(new Event("herder:connect"));
  }, RETRY_MS);

  connection.addEventListener("trend", (event) => {
    const { points } = JSON.parse(event.detail.data);
    if (points.length) skew = points[points.length - 1][0] - Date.now();
  });

  function span(seconds) {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]])
      if (seconds >= 2 * size) return `${Math.floor(seconds / size + 0.5)} ${unit}`;
    return `${seconds} s`;
  }

  function ago(iso) {
    const seconds = Math.floor((Date.now() + skew - Date.parse(iso)) / 1000);
    if (seconds <= -2) return `in ${span(-seconds)}`;
    return seconds < 2 ? "just now" : `${span(seconds)} ago`;
  }

  setInterval(() => {
    refresh();
    for (const each of document.querySelectorAll("time[data-ago]")) {
      const words = ago(each.dateTime);
      if (each.textContent !== words) each.textContent = words;
    }
  }, 1000);
  show("reconnecting", "connecting …");
})();
