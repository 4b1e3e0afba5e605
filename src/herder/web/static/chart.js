// The two charts: points arrive as `trend` events of the stream; colours are those of the legend's swatches, so of the theme.
"use strict";
(() => {
  const KEPT_S = 900;
  const LEAST_S = 120;
  const CHARTS = [
    { name: "workers", series: [["desired", 1, "series-3", true], ["actual", 2, "series-2", false], ["ready", 3, "series-1", false]] },
    { name: "jobs", series: [["queued", 4, "series-3", false], ["running", 5, "series-2", false]] },
  ];
  let points = [];

  function element(name, className, content) {
    const made = document.createElement(name);
    made.className = className;
    if (content !== undefined) made.textContent = content;
    return made;
  }

  const inks = Object.fromEntries(["ink-axis", "ink-grid"].map((name) => {
    const probe = element("span", name);
    document.getElementById("charts").append(probe);
    probe.hidden = true;
    return [name, probe];
  }));
  const ink = (of) => getComputedStyle(of).color;

  function legend(chart) {
    return chart.series.map(([label, , colour, dashed]) => {
      const row = element("li", "");
      const swatch = element("span", `swatch ${colour}${dashed ? " dashed" : ""}`);
      const value = element("b", "", "–");
      row.append(swatch, label, value);
      document.getElementById(`legend-${chart.name}`).append(row);
      return { swatch, value };
    });
  }

  const clock = (s) => new Date(s * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

  function make(chart) {
    const box = document.getElementById(`chart-${chart.name}`);
    const rows = legend(chart);
    const axis = { stroke: () => ink(inks["ink-axis"]), grid: { stroke: () => ink(inks["ink-grid"]), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const plot = new uPlot({
      width: box.clientWidth,
      height: box.clientHeight,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 }, sync: { key: "herder" } },
      scales: {
        x: { range: (_, low, high) => [high - Math.min(KEPT_S, Math.max(LEAST_S, high - low)), high] },
        y: { range: (_, low, high) => [0, Math.max(4, Math.ceil(high * 1.1))] },
      },
      axes: [
        { ...axis, values: (_, splits) => splits.map(clock), incrs: [60, 120, 180, 300], size: 24, gap: 4 },
        { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 5e6, 1e7], size: 48, gap: 4, values: (_, splits) => splits.map((n) => n.toLocaleString("en-US", { notation: n >= 1e4 ? "compact" : "standard" })) },
      ],
      series: [{}, ...chart.series.map(([label, , , dashed], index) => ({
        label, stroke: () => ink(rows[index].swatch), width: 2, points: { show: false }, dash: dashed ? [5, 4] : undefined,
        paths: uPlot.paths.stepped({ align: 1 }),
      }))],
      hooks: { setCursor: [(u) => tell(u)], setData: [(u) => tell(u)] },
    }, table(chart), box);

    function tell(u) {
      const at = u.cursor.idx ?? u.data[0].length - 1;
      rows.forEach((row, index) => {
        const value = u.data[index + 1]?.[at];
        const words = value === undefined ? "–" : value.toLocaleString("en-US");
        if (row.value.textContent !== words) row.value.textContent = words;
      });
    }
    new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
    return plot;
  }

  function table(chart) {
    return [points.map((point) => point[0] / 1000), ...chart.series.map(([, column]) => points.map((point) => point[column]))];
  }

  let plots = null;
  document.getElementById("connection").addEventListener("trend", (event) => {
    const news = JSON.parse(event.detail.data);
    points = (news.reset ? [] : points).concat(news.points).slice(-KEPT_S);
    if (plots === null) {
      document.getElementById("charts").hidden = false;
      plots = CHARTS.map(make);
    }
    plots.forEach((plot, index) => plot.setData(table(CHARTS[index])));
  });

  const redraw = () => plots?.forEach((plot) => plot.redraw(false, false));
  document.addEventListener("herder:theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
