// How the page looks: light and dark, on a desk and on a phone.
#ifndef LOAM_BENCH_REPORT_STYLE_H
#define LOAM_BENCH_REPORT_STYLE_H

namespace report {

inline constexpr char kStyle[] = R"css(
:root {
  --paper: #fbfaf8; --ink: #24211d; --soft: #6f695f; --rule: #e5e1d9;
  --other: #c9c3b8; --loam: #b5541c; --calls: #dda782; --whisker: #24211d;
  --behind: #6f695f; --peer1: #2f6fae; --peer2: #2e8068; --peer3: #8a5aa8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #181715; --ink: #ece8e1; --soft: #a39c90; --rule: #35312c;
    --other: #5d574e; --loam: #ea8c4e; --calls: #945c38; --whisker: #ece8e1;
    --behind: #a39c90; --peer1: #74aee6; --peer2: #6cc2a4; --peer3: #c59be0;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 3rem 1.25rem 5rem; max-width: 76rem;
  background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  -webkit-text-size-adjust: 100%;
}
h1 { font-size: clamp(1.6rem, 4.2vw, 2.5rem); line-height: 1.15; letter-spacing: -.02em;
     margin: 0 0 .75rem; max-width: 24em; font-weight: 650; text-wrap: balance; }
h2 { font-size: 1.3rem; line-height: 1.25; letter-spacing: -.01em; margin: 0 0 .25rem;
     font-weight: 650; text-wrap: balance; }
p { margin: 0 0 .5rem; }
.finding { font-size: 1.05rem; max-width: 46em; }
.setting, .notes { color: var(--soft); font-size: .87rem; max-width: 56em; }
section { margin-top: 3.25rem; }
section > .finding { color: var(--soft); font-size: 1rem; margin-bottom: 1.25rem; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: inherit; text-align: left; }
.value { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.figures { display: grid; grid-auto-flow: dense; gap: 1.75rem 2.5rem;
           grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
figure { margin: 0; padding-top: .7rem; border-top: 1px solid var(--rule); min-width: 0; }
figcaption { font-weight: 600; line-height: 1.3; }
.charts { display: grid; gap: .5rem 2.5rem;
          grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.wide { grid-column: 1 / -1; }
.chart p { display: flex; justify-content: space-between; gap: 1rem; margin: .1rem 0 .35rem;
           font-size: .87rem; color: var(--soft); }
.verdict { text-align: right; }
.verdict b { font-variant-numeric: tabular-nums; }
.ahead { color: var(--loam); }
.behind { color: var(--behind); }
.chart th { width: 6.6rem; font-size: .87rem; white-space: nowrap; padding: 0; }
.chart td, .chart th { height: 1.4rem; line-height: 1.4rem; }
.chart .value { width: 4rem; font-size: .87rem; padding-left: .6rem; }
.track { padding: 0; }
.track div { position: relative; height: .72rem; }
.track i { position: absolute; inset: 0 auto 0 0; background: var(--other);
           border-radius: 0 2px 2px 0; min-width: 1px; }
.track s { position: absolute; top: 50%; height: 1px; background: var(--whisker);
           opacity: .65; text-decoration: none; }
.track s::before, .track s::after { content: ""; position: absolute; top: -2.5px; height: 6px;
           width: 1px; background: inherit; }
.track s::before { left: 0; }
.track s::after { right: 0; }
.loam th, .loam .value { font-weight: 650; }
.loam i { background: var(--loam); }
.calls i { background: var(--calls); }
details { margin-top: .35rem; font-size: .8rem; color: var(--soft); }
summary { cursor: pointer; width: max-content; }
pre { margin: .35rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere;
      font: .95em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.curve svg { display: block; width: 100%; height: auto; margin-top: .3rem; overflow: visible; }
.curve .unit { color: var(--soft); font-size: .87rem; margin: 0; }
.curve text { font-size: 12px; fill: var(--soft); }
.curve .x { text-anchor: middle; }
.curve .y { text-anchor: end; }
.curve .rule, .curve .tick { stroke: var(--rule); fill: none; }
.curve .tick { stroke: var(--soft); }
.curve .loam { color: var(--loam); }
.curve .peer1 { color: var(--peer1); }
.curve .peer2 { color: var(--peer2); }
.curve .peer3 { color: var(--peer3); }
.curve .line { stroke: currentColor; stroke-width: 2; fill: none; stroke-linejoin: round; }
.curve .dots { fill: currentColor; stroke: currentColor; }
.curve .dashed { stroke-width: 1.5; stroke-dasharray: 4 3; opacity: .8; }
.curve .name { fill: currentColor; font-weight: 650; paint-order: stroke; stroke: var(--paper);
               stroke-width: 4px; stroke-linejoin: round; }
.curves { grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
.bars { margin-top: 1.25rem; }
.bars > summary { font-size: .95rem; margin-bottom: .75rem; }
.bars .figures { color: var(--ink); font-size: .95rem; }
.scroll { overflow-x: auto; }
.points { width: auto; font-variant-numeric: tabular-nums; }
.points th, .points td { padding: .1rem 1.1rem .1rem 0; text-align: right; vertical-align: bottom; }
.points td, .points th[scope=row] { white-space: nowrap; }
.points td { color: var(--ink); }
.points th[scope=col]:not(:first-child) { min-width: 7.5rem; }
.points small { color: var(--soft); }
.overview h2 { margin-bottom: .5rem; }
.overview tr { color: var(--ink); }
.overview th, .overview td { padding: .16rem 0; font-size: .9rem; line-height: 1.35;
                             border-bottom: 1px solid var(--rule); }
.overview .group th { padding-top: .9rem; color: var(--soft); font-size: .8rem; }
.overview th[scope] { width: 31rem; padding-right: 1rem; }
.overview small { color: var(--soft); }
.overview .value { width: 3.6rem; font-weight: 600; padding-left: .75rem; }
.overview .ahead .value { color: var(--loam); }
.overview .rival { width: 7.5rem; white-space: nowrap; color: var(--soft); padding-left: .6rem; }
.dots div { position: relative; height: 1.1rem; }
.dots i, .dots u, .dots em { position: absolute; }
.dots i { top: 50%; width: 9px; height: 9px; margin: -4.5px; border-radius: 50%;
          background: var(--loam); }
.dots u { top: 50%; height: 2px; margin-top: -1px; background: var(--calls); }
.dots em { top: -.2rem; bottom: -.2rem; width: 1px; background: var(--soft); }
.overview .behind i { background: var(--behind); }
.overview .behind u { background: var(--other); }
@media (max-width: 44rem) {
  body { padding-top: 1.75rem; }
  .dots em { top: .1rem; bottom: .1rem; }
  .overview table, .overview tbody { display: block; }
  .overview tr { display: grid; grid-template-columns: 1fr 3.4rem 7.1rem; align-items: center;
                 border-bottom: 1px solid var(--rule); padding: .3rem 0; }
  .overview th, .overview td { border: 0; padding-top: 0; padding-bottom: 0; }
  .overview th[scope], .overview .group th { grid-column: 1 / -1; width: auto; padding-right: 0; }
}
)css";

}  // namespace report

#endif
