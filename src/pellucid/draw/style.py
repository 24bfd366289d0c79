"""How pages and charts look: one palette for light, one for dark; system fonts; nothing loaded from elsewhere."""

from __future__ import annotations

from .signed import ABOVE, AMOUNT, BELOW, MISSING

LIGHT = """
--paper:#faf9f6;--card:#fff;--ink:#1b2130;--muted:#636b7b;--line:#e7e3da;--soft:#f2efe8;--accent:#0a7a72;
--c0:#a9afbb;--c1:#2868c8;--c2:#d9691d;--c3:#0f8a7e;--c4:#7b52c4;--c5:#c23a68;--c6:#85791a;--over:#fff;
--above-ground:#f0913f;--below-ground:#6ea6ef;--doubt:#746910
"""

DARK = """
--paper:#11141a;--card:#191d26;--ink:#e6e9f0;--muted:#98a1b3;--line:#2a303c;--soft:#222834;--accent:#4fd1c5;
--c0:#5c6575;--c1:#6fa3f5;--c2:#f2985a;--c3:#4cc7b8;--c4:#b095f0;--c5:#f083a6;--c6:#cfc25a;--over:#0d1016;
--above-ground:#a8500f;--below-ground:#2b62b5;--doubt:#cfc25a
"""

FONTS = """
--sans:Inter,"Segoe UI",system-ui,-apple-system,"Helvetica Neue",Roboto,"Noto Sans","Liberation Sans",
"DejaVu Sans",sans-serif;
--serif:"Iowan Old Style","Palatino Linotype",Palatino,Charter,"Source Serif 4",Georgia,"Liberation Serif",serif;
--mono:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace
"""

VARIABLES = f"""
:root{{color-scheme:light dark;{FONTS};{LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}
@media print{{:root{{color-scheme:light;{LIGHT};--paper:#fff}}}}
"""

CHARTS = """
.chart{display:block;width:100%;height:auto;max-width:560px;overflow:visible}
.chart text{font:11.5px var(--sans);fill:var(--muted);font-variant-numeric:tabular-nums}
.chart .strong{fill:var(--ink)}
.chart .halo{paint-order:stroke;stroke:var(--card);stroke-width:3.5;stroke-linejoin:round}
.chart .title{fill:var(--muted);font-size:11px}
.chart .name{fill:var(--c);font-weight:600}
.chart .grid{stroke:var(--line)}
.chart .axis{stroke:var(--muted);stroke-opacity:.55}
.chart .guide{stroke:var(--muted);stroke-dasharray:4 4;stroke-opacity:.8}
.chart .whisker{stroke:var(--ink);stroke-width:1.4}
.chart .line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .thin{stroke-width:1.2;stroke-opacity:.6}
.chart .fill,.chart .dot{fill:var(--c)}
.chart .mark{fill:var(--card);stroke:var(--ink);stroke-width:2}
.chart .count{fill:var(--ink)}
.chart .over{fill:var(--over);font-weight:600}
.chart .none{fill:var(--muted);fill-opacity:.35}
.chart .faint{stroke-width:1;stroke-opacity:.45}
.chart .rug{stroke:var(--ink);stroke-opacity:.35}
.chart .above{fill:ABOVE}.chart .below{fill:BELOW}.chart .amount{fill:AMOUNT}.chart .missing{fill:MISSING}
.chart .edge{fill:none;stroke:var(--line)}
.chart .clear{fill:#000;fill-opacity:0}
.chart .above-ground{fill:var(--above-ground)}.chart .below-ground{fill:var(--below-ground)}
.chart .missing-ground{fill:var(--c0)}
.chart .word{font-size:13px}
.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}
.c6{--c:var(--c6)}
"""

for _name, _colour in {"ABOVE": ABOVE, "BELOW": BELOW, "AMOUNT": AMOUNT, "MISSING": MISSING}.items():
    CHARTS = CHARTS.replace(_name, "#" + bytes(_colour).hex())

# What views draw beside charts; a word's ``--c`` is the ground it stands on, ``--a`` how much of it is seen.
VIEWS = """
.view{margin:0 0 2.2em}
.view h3{display:flex;flex-wrap:wrap;align-items:baseline;gap:.2em .7em}
.view .block{margin:1.1em 0}
.view .small{font-size:.82rem}
.badge{font:600 .74rem/1.5 var(--sans);padding:.05em .6em;border-radius:99px;border:1px solid currentColor;
white-space:nowrap}
.badge.exact,.badge.checked{color:var(--accent)}
.badge.suggestive{color:var(--doubt)}
.badge.failed{color:var(--c5)}
.words{line-height:1.95;max-width:46em;overflow-wrap:anywhere;margin:0 0 .7em;
padding-inline:.3em}
.word{color:var(--ink);padding:.12em .28em;border-radius:4px;unicode-bidi:isolate;-webkit-box-decoration-break:clone;
box-decoration-break:clone;background:color-mix(in srgb,var(--c) var(--a),transparent)}
.word.above-ground{--c:var(--above-ground)}.word.below-ground{--c:var(--below-ground)}
.word.missing-ground{--c:var(--c0)}
.left-out{color:var(--muted);font-size:.88em}
.chart.key{width:280px;max-width:100%}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,130px),1fr));gap:12px;max-width:860px}
.gallery figure{margin:0;border:1px solid var(--line);border-radius:10px;overflow:hidden;background:var(--card)}
.gallery figure img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:var(--soft)}
.gallery figcaption{padding:8px 10px;font-size:.82rem;line-height:1.45;overflow-wrap:anywhere}
.gallery figcaption b{display:block;font-weight:600}
.gallery figcaption span{display:block;color:var(--muted)}
"""

# Of a page of a network looked into: the stages as a row of boxes, each of which opens its own by ``:target``.
SPINE = """
.inside .view h3{font:500 1.4rem/1.3 var(--serif);margin-bottom:.5em}
.inside .example{max-width:320px}
.answers{margin:0;max-width:52em}
.answers dt{font-weight:600}
.answers dd{margin:.15em 0 1.1em;overflow-wrap:anywhere}
.spine{display:flex;flex-wrap:wrap;gap:12px 30px;list-style:none;padding:0;margin:0 0 1.2em;scroll-margin-top:60px}
.spine li{position:relative;display:flex;margin:0}
.spine li+li::before{content:"→";position:absolute;left:-22px;top:50%;transform:translateY(-50%);color:var(--muted)}
.spine a{display:block;width:168px;padding:10px 14px;border:1px solid var(--line);border-radius:10px;
background:var(--card);color:var(--ink);text-decoration:none;line-height:1.4}
.spine a:hover{border-color:var(--accent)}
.spine b,.spine span{display:block;overflow-wrap:anywhere}
.spine b{font-weight:600}
.spine span{color:var(--muted);font-size:.82rem}
.spine .part{display:block;width:100%;margin:.5em 0 0}
.opened{display:none;margin:0 0 1.2em;scroll-margin-top:20px}
.opened:target{display:block;border-color:var(--accent)}
.opened h4{font:600 .88rem/1.4 var(--sans);margin:1.4em 0 .5em}
code{font:.86em var(--mono);color:var(--muted);overflow-wrap:anywhere}
.levels,.commands{margin:0}
.levels div{display:grid;grid-template-columns:8.5em minmax(0,1fr);margin:.5em 0}
.levels dd,.commands dd{margin:0}
.commands div{margin:0 0 1em}
.commands dt{color:var(--muted);font-size:.9rem}
.commands pre,.opened pre{background:var(--soft);border-radius:8px;padding:.5em .9em}
:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:4px}
@media (max-width:640px){.spine a{width:auto;min-width:140px}.levels div{grid-template-columns:1fr}}
@media print{.opened{display:block;break-inside:avoid}.opened .quiet:last-child{display:none}}
"""

PAGE = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 var(--sans);font-variant-numeric:tabular-nums}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 clamp(16px,4vw,44px)}
header{padding-top:clamp(28px,6vw,72px)}
h1{font:500 clamp(2.1rem,5.2vw,3.5rem)/1.08 var(--serif);letter-spacing:-.018em;margin:.15em 0 .35em;
overflow-wrap:anywhere}
h2{font:500 1.75rem/1.2 var(--serif);letter-spacing:-.01em;margin:0 0 .6em}
h2+.quiet{margin-top:-.6em}
h3{font:600 .95rem/1.4 var(--sans);margin:0 0 .7em}
p{margin:0 0 .8em}
a{color:var(--accent);text-underline-offset:.2em}
.eyebrow{font-size:.78rem;font-weight:600;letter-spacing:.13em;text-transform:uppercase;color:var(--accent);
margin:0}
.lead{font:400 clamp(1.12rem,2vw,1.35rem)/1.5 var(--serif);color:var(--ink);max-width:46em;text-wrap:pretty}
.quiet{color:var(--muted);font-size:.9rem;max-width:48em}
nav{display:flex;flex-wrap:wrap;gap:.3em 1.4em;margin:1.8em 0 0;padding:.85em 0;
border-block:1px solid var(--line);font-size:.9rem}
nav a{text-decoration:none;color:var(--muted)}
nav a:hover{color:var(--accent)}
section{padding:clamp(30px,5vw,52px) 0 0;scroll-margin-top:8px}
section>.quiet{margin-bottom:1.4em}
section>.grid+.quiet,section>.worst+.quiet{margin-top:1.8em}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:18px}
.card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:20px 22px;min-width:0;
overflow-x:auto}
.card>:last-child{margin-bottom:0}
.wide,.grid>.card:last-child:nth-child(odd){grid-column:1/-1}
.wide>.chart{max-width:780px}
.large{min-width:620px}
.decisions{list-style:none;padding:0}
.decisions li{margin:0 0 .8em;line-height:1.45}
.decisions span{display:block;color:var(--muted);font-size:.88rem}
.card .facts{margin:0}
.score{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:14px 44px;align-items:center;
padding:26px 30px;margin-top:1.6em}
.big{font:500 clamp(3rem,8vw,4.6rem)/1 var(--serif);letter-spacing:-.03em;white-space:nowrap}
.big small{font-size:.42em;letter-spacing:0}
.caption{color:var(--muted);font-size:.9rem;margin:.6em 0 0}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,150px),1fr));gap:18px 26px;
margin:1.8em 0 0}
.facts dt{color:var(--muted);font-size:.8rem}
.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
ul{margin:0;padding-left:1.15em}li{margin:.25em 0}
.notes{list-style:none;padding:0}
.notes li{padding:.55em 0 .55em 1em;border-left:3px solid var(--c2);padding-left:.9em;margin:.5em 0;
overflow-wrap:anywhere}
.scroll{overflow-x:auto}
.numbers{margin-top:.6em;font-size:.9rem}
.numbers table{max-width:26em;margin-top:.5em}
.examples td{white-space:nowrap}
td.said{color:var(--c2);font-weight:600}
td.true{color:var(--c3);font-weight:600}
h3.target{margin:1.6em 0 .6em;font-size:1.1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.45}
th{font-weight:500;color:var(--muted);text-align:left;font-size:.8rem;white-space:nowrap}
th,td{padding:.5em .9em .5em 0;border-bottom:1px solid var(--line);vertical-align:top}
tr:last-child td{border-bottom:0}
th:last-child,td:last-child{padding-right:0}
td.n,th.n{text-align:right;white-space:nowrap}
td.key{font-weight:600}
td.where{display:table-cell;margin:0}
td.value{overflow-wrap:anywhere;min-width:7em}
td.why{color:var(--muted)}
.part{display:inline-block;width:74px;height:7px;border-radius:4px;background:var(--soft);margin-left:.7em;
vertical-align:.08em}
.part i{display:block;height:100%;border-radius:4px;background:var(--c1)}
.shares{display:flex;height:12px;border-radius:6px;overflow:hidden;gap:2px;margin:.2em 0 .8em}
.shares i{background:var(--c);min-width:3px}
.key-dot{display:inline-block;width:9px;height:9px;border-radius:3px;background:var(--c);margin-right:.5em}
.legend{display:flex;flex-wrap:wrap;gap:.2em 1.4em;font-size:.88rem;margin:0}
.worst{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,158px),1fr));gap:16px}
.worst.broad{grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow:hidden;
display:flex;flex-direction:column}
figure img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:var(--soft)}
figure img.tiny{image-rendering:pixelated}
figure img.heard{aspect-ratio:2;object-fit:fill}
figure audio{display:block;width:100%;height:34px;background:var(--soft)}
figure blockquote{margin:0;padding:14px 16px;font:400 .98rem/1.5 var(--serif);background:var(--soft);flex:1;
overflow-wrap:anywhere}
figure table{font-size:.82rem;background:var(--soft)}
figure td,figure td:last-child{padding:.28em 14px;border-color:var(--line)}
figure td.long{text-align:left;font-weight:400}
figure td+td:not(.long){text-align:right;font-weight:600;overflow-wrap:anywhere}
figcaption{padding:11px 14px 12px;font-size:.88rem;line-height:1.45}
figure .more{margin:0;padding:.3em 14px;font-size:.78rem;color:var(--muted);background:var(--soft)}
figcaption b{font-weight:600}
figcaption .said{color:var(--c2)}
figcaption .true{color:var(--c3)}
.where{display:block;font:.74rem/1.4 var(--mono);color:var(--muted);overflow-wrap:anywhere;margin-top:.35em}
summary{cursor:pointer;color:var(--accent)}
pre{font:.86rem/1.7 var(--mono);margin:0;overflow-x:auto;tab-size:4}
.written{white-space:pre-wrap;overflow-wrap:anywhere}
.written .before{color:var(--muted)}
.token{color:var(--ink);background:color-mix(in srgb,var(--above-ground) var(--a,0%),transparent)}
.token i{color:var(--muted);font-style:normal}
.shades{color:var(--muted);font:.82rem/2 var(--mono);margin:0 0 1.2em}
.shades .token{padding:.2em .5em;white-space:pre;display:inline-block;line-height:1.5}
figure pre{padding:14px 16px;background:var(--soft);flex:1;font-size:.8rem}
footer{padding-top:44px;padding-bottom:56px;color:var(--muted);font-size:.84rem}
footer p{border-top:1px solid var(--line);padding-top:1.2em;overflow-wrap:anywhere}
@media (max-width:640px){.score{grid-template-columns:1fr;
padding:20px}.card{padding:16px}figcaption{padding:9px 11px 10px}
.worst:not(.broad){grid-template-columns:repeat(2,minmax(0,1fr));gap:10px}
.reasons thead{display:none}.reasons tr{display:block;padding:.6em 0;border-bottom:1px solid var(--line)}
.reasons td{display:inline;border:0;padding:0}.reasons td.value::before{content:": "}.reasons td.why{display:block}
.part{display:none}th,th.n{white-space:normal}th,td{padding-right:.6em}}
@media print{body{font-size:10.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
nav{display:none}.card,figure,tr{break-inside:avoid}h2,h3{break-after:avoid}
.card{overflow:visible}
section{padding-top:24px}}
"""
