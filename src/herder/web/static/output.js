// The output of a running job as it comes. Without this script the page shows the output as it was.
"use strict";
(() => {
  const CHARACTERS_MAX = 200000; // of the end of the output; the command line has all
  const output = document.getElementById("output-text");
  const state = document.getElementById("output-state");
  if (!output || !output.dataset.follow) return;
  const source = new EventSource(output.dataset.follow);
  const unprintable = /[^\P{C}\n\t]/gu;
  let fresh = true; // the first piece has what the page shows already

  function add(text) {
    const below = output.scrollHeight - output.scrollTop - output.clientHeight < 24;
    const whole = (fresh ? "" : output.textContent) + text.replace(unprintable, "\ufffd");
    output.textContent = whole.slice(-CHARACTERS_MAX);
    fresh = false;
    document.getElementById("output-nothing")?.remove();
    if (below) output.scrollTop = output.scrollHeight;
  }

  source.addEventListener("open", () => { state.textContent = "live"; });
  source.addEventListener("output", (event) => add(JSON.parse(event.data).text));
  source.addEventListener("attempt", (event) => add(`\n[attempt ${JSON.parse(event.data).attempt}]\n`));
  source.addEventListener("end", () => {
    source.close();
    state.textContent = "the job has ended; reload the page to see how";
  });
  source.addEventListener("error", () => {
    state.textContent = source.readyState === EventSource.CLOSED ? "not live: reload the page" : "reconnecting …";
  });
  output.scrollTop = output.scrollHeight;
})();
