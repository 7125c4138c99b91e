/** The one style sheet of page and report: no address in it, nothing is loaded. */
export const STYLE = `
:root{color-scheme:light dark;--paper:#f7f7f4;--card:#fff;--ink:#17191e;--quiet:#565c69;--edge:#deded7;--accent:#1a5fb4;--fill:#3d7dca;--band:#b7d3f2;--good:#0b6a3c;--good-bg:#e7f4ec;--part:#835000;--part-bg:#fdf2de;--bad:#a3161c;--bad-bg:#fdebea;--none:#4c525e;--none-bg:#ececea}
@media (prefers-color-scheme:dark){:root{--paper:#111317;--card:#191c21;--ink:#e8e9ed;--quiet:#a6acb9;--edge:#2d323b;--accent:#8ab8f5;--fill:#5a96dd;--band:#274668;--good:#74d6a2;--good-bg:#12291d;--part:#f1bb6a;--part-bg:#2c2212;--bad:#ff9d97;--bad-bg:#331817;--none:#b6bcc8;--none-bg:#262a31}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
header,main,footer{max-width:46rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
footer{padding:2rem 1.25rem 3rem;color:var(--quiet);font-size:.875rem}
h1,h2,h3,p,ul,dl,dd,figure{margin:0}
h1{font-size:1.75rem;line-height:1.2;font-weight:650;letter-spacing:-.015em}
h2{font-size:1.1875rem;line-height:1.3;font-weight:650;letter-spacing:-.005em}
h3{font-size:1rem;font-weight:650;margin-top:1.25rem}
p+p,h2+p,h3+p,p+h3{margin-top:.4rem}
ul{padding:0;list-style:none}
a{color:var(--accent)}
strong{font-weight:650}
code{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:4px}
h2:focus,h2:focus-visible{outline:none}
.brand{display:flex;align-items:center;gap:.6rem;font-size:.875rem;font-weight:600;color:var(--quiet);letter-spacing:.02em;margin-bottom:1rem}
.brand svg{width:1.5rem;height:1.5rem;fill:none;stroke:var(--accent);stroke-width:2;stroke-linecap:round;stroke-linejoin:round}
.lead{margin-top:.6rem;color:var(--quiet);max-width:38rem}
.quiet,.claims details{color:var(--quiet);font-size:.875rem}
.claims details{margin-top:.35rem}
sup{line-height:0;font-size:.75em}
.number{font-variant-numeric:tabular-nums}
section,.given{background:var(--card);border:1px solid var(--edge);border-radius:14px;padding:1.375rem 1.5rem;margin-top:1rem}
.verdict{display:flex;gap:1.1rem;align-items:flex-start;border-width:0;padding:1.5rem}
.verdict h2{font-size:1.5rem;letter-spacing:-.015em}
.verdict .sign{flex:none;width:2.75rem;height:2.75rem;fill:none;stroke:currentColor;stroke-width:1.75;stroke-linecap:round;stroke-linejoin:round}
.verdict p{color:var(--ink)}
.verdict .group+.group{margin-top:.1rem}
.verdict.good{background:var(--good-bg);color:var(--good)}
.verdict.part{background:var(--part-bg);color:var(--part)}
.verdict.open{background:var(--none-bg);color:var(--none)}
.verdict.bad{background:var(--bad-bg);color:var(--bad)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:1px;background:var(--edge);border:1px solid var(--edge);border-radius:14px;overflow:hidden;margin-top:1rem}
.facts div{background:var(--card);padding:.75rem .9rem}
.facts dt{color:var(--quiet);font-size:.8125rem}
.facts dd{font-weight:600;font-size:.9375rem;font-variant-numeric:tabular-nums}
.claims li{padding:1rem 0;border-top:1px solid var(--edge)}
.claims li:first-child{border-top:0;padding-top:.75rem}
.claims li:last-child{padding-bottom:0}
.claims p+p{margin-top:.3rem}
.claim{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}
.chip{font-size:.75rem;font-weight:600;line-height:1;padding:.3rem .55rem;border-radius:99px;white-space:nowrap}
.chip.good{color:var(--good);background:var(--good-bg)}
.chip.part{color:var(--part);background:var(--part-bg)}
.chip.bad{color:var(--bad);background:var(--bad-bg)}
.chip.none{color:var(--none);background:var(--none-bg)}
.list ul{margin-top:.5rem}
.list li{position:relative;padding:.2rem 0 .2rem 1.5rem}
.list li::before{content:"";position:absolute;left:.2rem;top:.66rem;width:.5rem;height:.5rem;border-radius:50%;border:2px solid var(--quiet)}
.list.good li::before{border:0;border-radius:0;left:.3rem;top:.46rem;width:.42rem;height:.72rem;border-right:2px solid var(--good);border-bottom:2px solid var(--good);transform:rotate(42deg)}
.bars{margin-top:1rem}
.bars li+li{margin-top:1rem}
.bars svg{display:block;overflow:visible}
.bar-label{display:flex;justify-content:space-between;gap:1rem;margin-bottom:.35rem}
.bar-label .number{flex:none;color:var(--quiet);font-size:.875rem}
.bar-name{font-weight:600}
.quota{margin-top:.5rem}
.track{fill:var(--none-bg)}
.fill{fill:var(--fill)}
.band{fill:var(--band)}
.dot{fill:var(--accent);stroke:var(--card);stroke-width:1.5}
.loss{margin-top:1rem}
.chart{display:grid;grid-template-columns:auto 1fr;gap:.25rem .6rem}
.axis-y{display:flex;flex-direction:column;justify-content:space-between;padding:.4rem 0;text-align:right}
.axis-x{grid-column:2;display:flex;justify-content:space-between;margin:0!important}
.axis-x,.axis-y{color:var(--quiet);font-size:.8125rem;font-variant-numeric:tabular-nums}
.plot{width:100%;height:12rem;overflow:visible}
.plot *{vector-effect:non-scaling-stroke;fill:none;stroke-linecap:round;stroke-linejoin:round}
.plot .grid{stroke:var(--edge);stroke-width:1}
.plot .line{stroke:var(--fill);stroke-width:2}
.plot .dots{stroke:var(--accent);stroke-width:7}
figcaption{margin-top:.75rem;color:var(--quiet);font-size:.875rem}
.pairs>div{padding:.65rem 0;border-top:1px solid var(--edge)}
.pairs{margin-top:.5rem}
.pairs>div:first-child{border-top:0}
.pairs dt{color:var(--quiet);font-size:.8125rem}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--accent);font-weight:550;width:fit-content}
.scroll{overflow-x:auto;margin-top:.75rem}
table{border-collapse:collapse;width:100%;font-size:.875rem}
caption{text-align:left;color:var(--quiet);padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .75rem .4rem 0;border-top:1px solid var(--edge);font-weight:400;min-width:4.5rem}
thead th{color:var(--quiet);border-top:0;font-weight:550}
th.number,td.number{text-align:right}
@media (max-width:30rem){header,main,footer{padding-left:1rem;padding-right:1rem}header{padding-top:1.5rem}section,.given{padding:1.125rem 1.125rem}.verdict{padding:1.25rem 1.125rem;gap:.85rem}.verdict .sign{width:2.25rem;height:2.25rem}}
@media print{
:root{--paper:#fff;--card:#fff;--ink:#000;--quiet:#444;--edge:#bbb;--accent:#123f7a;--fill:#3d7dca;--band:#b7d3f2;--good:#0b5a33;--good-bg:#fff;--part:#6b4200;--part-bg:#fff;--bad:#8a1216;--bad-bg:#fff;--none:#333;--none-bg:#eee}
html{font-size:9pt}
body{line-height:1.35}
header,main,footer{max-width:none;padding:0 1px}
.lead{max-width:none}
section{border-radius:0;border:0;border-top:1px solid var(--edge);padding:.8rem 0 0}
.verdict{border:2px solid currentColor;padding:.8rem}
.facts{border-radius:0}
.facts div{padding:.3rem .6rem}
.claims li{padding:.5rem 0}
.list li{padding-top:0;padding-bottom:0}
.list li::before{top:.42rem}
.list.good li::before{top:.26rem}
.bars li+li,details{margin-top:.5rem}
.plot{height:6.5rem}
h3{margin-top:.7rem}
p+p,h2+p,h3+p,p+h3{margin-top:.25rem}
.pairs>div{padding:.2rem 0;display:flex;gap:1rem}
.pairs dt{flex:0 0 10rem}
footer{margin-top:1rem}
.scroll{overflow:visible;margin:.25rem 0 .4rem}
.scroll:has(tr:nth-child(9)){columns:2;column-gap:1.5rem;column-rule:1px solid var(--edge)}
.scroll:has(tr:nth-child(9)):has(thead th:nth-child(2):last-child){columns:4}
table{font-size:.7rem;line-height:1.25}
th,td{padding:.1rem .5rem .1rem 0;min-width:0;overflow-wrap:normal}
tbody th:nth-last-child(3){width:38%}
tbody th:nth-last-child(3)~:last-child{width:33%}
tbody th:nth-last-child(4){width:50%}
td .foreign,th .foreign{overflow-wrap:anywhere}
h2,h3,summary,caption,thead,.bar-name,.claim,h3+.quiet{break-after:avoid}
li,tr,figure,.verdict,.facts,.pairs>div,.quota{break-inside:avoid}
.fill,.band,.dot,.track,.chip{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.given,.screen{display:none}
summary{color:inherit;list-style:none}
details::details-content{content-visibility:visible}
}
`;

/** What the page has beside: the place for files and the two fields. */
export const PAGE_STYLE = `
.given{margin-top:1.75rem}
.drop{border:2px dashed var(--edge);border-radius:12px;padding:1.75rem 1rem;text-align:center;transition:border-color .15s,background .15s}
.over .drop{border-color:var(--accent);background:var(--good-bg)}
.drop p{color:var(--quiet);font-size:.875rem;margin-top:.75rem}
.button,button{font:inherit;font-weight:600;border-radius:10px;padding:.6rem 1.1rem;cursor:pointer;border:1px solid var(--accent);background:var(--accent);color:var(--card);display:inline-block;white-space:nowrap}
button.plain{background:none;color:var(--accent);border-color:var(--edge);padding:.3rem .7rem;font-size:.875rem;font-weight:550}
.hidden-input{position:absolute;width:1px;height:1px;opacity:0;overflow:hidden}
.hidden-input:focus-visible+.button{outline:3px solid var(--accent);outline-offset:3px}
.files li{display:flex;gap:.75rem;align-items:center;justify-content:space-between;padding:.6rem 0;border-top:1px solid var(--edge)}
.files:not(:empty){margin-top:1rem}
.files li:first-child{border-top:0}
.files .problem{color:var(--bad)}
.fields{display:grid;grid-template-columns:repeat(auto-fit,minmax(16rem,1fr));gap:1rem 1.25rem;margin-top:1.25rem}
.fields label{font-weight:600;font-size:.9375rem}
input[type=text]{font:.8125rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;width:100%;margin-top:.3rem;padding:.6rem .7rem;color:var(--ink);background:var(--paper);border:1px solid var(--quiet);border-radius:9px}
input[aria-invalid=true]{border-color:var(--bad);border-width:2px}
.fields p{margin-top:.3rem}
.actions{display:flex;flex-wrap:wrap;gap:.75rem;align-items:center;margin-top:1.25rem}
.actions [role=status]{margin:0}
.actions button.plain{padding:.6rem 1.1rem;font-size:1rem}
.wrong{color:var(--bad);font-weight:600;font-size:.875rem}
`;
