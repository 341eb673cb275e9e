/** The pages' style sheet. Colours mark states, never alone: a word is beside each. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #fff; --line: #dfe2e6; --text: #1b1f24; --muted: #57606a; --link: #0a5cad;
  --settled: #1f8556; --failed: #c3362b; --in-flight: #2f70c4; --queued: #b4bcc6; --warn: #8f5f00; --track: #eceef0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #121518; --card: #1a1e23; --line: #2d333b; --text: #e4e7eb; --muted: #9aa5b1; --link: #74b3f5;
    --settled: #45b883; --failed: #f0766b; --in-flight: #5e9eec; --queued: #59626d; --warn: #dba83a; --track: #252b32;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 66rem; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
h1 { margin: 0; font-size: 1.3rem; }
h2 { margin: 0; font-size: 1.05rem; }
h3 { margin: 0 0 .4rem; font-size: .9rem; font-weight: 600; }
p { margin: .4rem 0; }
.muted, caption, figcaption, footer { color: var(--muted); font-size: .85rem; }
.page-head, .run-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem .8rem; }
.page-head { margin-bottom: 1rem; }
.page-head nav { margin-left: auto; display: flex; gap: .8rem; font-size: .9rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1rem; margin-bottom: .9rem; }
.state { font-size: .85rem; font-weight: 600; color: var(--muted); }
.state::before { content: ""; display: inline-block; width: .6em; height: .6em; margin-right: .4em; border-radius: 50%; background: currentColor; }
.state.running { color: var(--in-flight); } .state.completed { color: var(--settled); }
.state.blocked { color: var(--failed); } .state.paused { color: var(--warn); }
.why { border-left: 3px solid var(--failed); padding-left: .6rem; }
.lost { color: var(--failed); }
.bar { display: block; width: 100%; height: 10px; margin: .7rem 0 .3rem; border-radius: 5px; background: var(--track); }
svg .settled { fill: var(--settled); } svg .failed { fill: var(--failed); }
svg .unchanged { fill: var(--muted); }
svg .in-flight { fill: var(--in-flight); } svg .queued { fill: var(--queued); }
progress { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.7rem, 1fr)); gap: .5rem .9rem; margin: .7rem 0 0; }
dt { color: var(--muted); font-size: .8rem; }
dt[class]::before { content: ""; display: inline-block; width: .65em; height: .65em; margin-right: .4em; border-radius: 2px; }
dt.settled::before { background: var(--settled); } dt.failed::before { background: var(--failed); }
dt.unchanged::before { background: var(--muted); }
dt.in-flight::before { background: var(--in-flight); } dt.queued::before { background: var(--queued); }
dd { margin: 0; font-weight: 600; }
dd small, dd i { font-weight: 400; font-style: normal; color: var(--muted); font-size: .85rem; }
dd small { display: block; }
figure { margin: 0 0 .9rem; }
figcaption p { margin: .1rem 0 .5rem; }
figcaption h2 { color: var(--text); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
.legend span::before { content: ""; display: inline-block; width: .65em; height: .65em; margin-right: .4em; border-radius: 2px; }
.legend .line::before { height: 3px; vertical-align: middle; }
.legend .settled::before { background: var(--settled); } .legend .failed::before { background: var(--failed); }
.legend .in-flight::before { background: var(--in-flight); }
.plot { display: grid; grid-template-columns: auto 1fr; column-gap: .5rem; }
.y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; min-width: 2.2rem; }
.x { grid-column: 2; display: flex; justify-content: space-between; }
.y, .x { color: var(--muted); font-size: .8rem; line-height: 1.2; }
.bars { display: block; width: 100%; height: 9rem; border-bottom: 1px solid var(--line); border-top: 1px dashed var(--line); }
.bars.small { height: 4.5rem; }
svg .warn { fill: var(--warn); }
svg .clear { fill: transparent; }
svg g:hover .clear { fill: var(--track); }
svg path.in-flight { fill: none; stroke: var(--in-flight); stroke-width: 2px; vector-effect: non-scaling-stroke; pointer-events: none; }
.login { display: grid; gap: .5rem; max-width: 20rem; margin: 2rem auto; }
.login input, .login button { font: inherit; padding: .35rem .5rem; }
details { margin-top: .5rem; font-size: .88rem; }
summary { color: var(--muted); cursor: pointer; }
.halves { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 0 .9rem; align-items: start; }
#tables { display: block; columns: 26rem; column-gap: .9rem; }
#tables .card { break-inside: avoid; }
dl + table { margin-top: .9rem; }
.card > h2 { margin-bottom: .4rem; }
.example { margin: .15rem 0 .15rem .8rem; font-weight: 400; }
.facts th { width: 6rem; color: var(--muted); }
.facts tr:first-child > * { border-top: 0; }
.side { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: .9rem 1.6rem; margin-top: .9rem; align-items: start; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
caption { text-align: left; padding-bottom: .2rem; }
th, td { padding: .2rem .6rem .2rem 0; text-align: left; font-weight: 400; vertical-align: top; border-top: 1px solid var(--line); }
thead th { color: var(--muted); font-size: .8rem; border-top: 0; }
.n { text-align: right; white-space: nowrap; padding-right: 0; width: 1%; padding-left: .6rem; }
.share { display: block; width: 100%; height: 5px; margin-top: 2px; border-radius: 2px; background: var(--track); }
`;
