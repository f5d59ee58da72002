"""The page's style sheet: two languages, light and dark, wide, narrow and on paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1a212b;--soft:#56616f;--line:#dde1e7;--track:#e8ebef;
--link:#1d4f86;--pass:#1a7a46;--fail:#b3261e;--look:#8a5a00;--pass-bg:#e4f3ea;--fail-bg:#fbe9e7;--look-bg:#fdf1d8;
--none-bg:#eceff3;--guide-bg:#e6edf6;--c0:#2f6aa8;--c1:#3d9a8b;--c2:#edae49;--c3:#8d6cab;--c4:#c8763c;--c5:#6b8e23;
--c6:#b05f8f;--c7:#d1495b;--c8:#9aa4b1;--dup:#c3cad4;--del:#f9d9d5;--ins:#cfecd8;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"PingFang SC","Hiragino Sans GB","Microsoft YaHei",
"Noto Sans CJK SC",
"Source Han Sans SC","Noto Sans SC","WenQuanYi Micro Hei",sans-serif;
--serif:Georgia,"Times New Roman","Songti SC","STSong","Noto Serif CJK SC","Source Han Serif SC","Noto Serif SC",
SimSun,serif}
@media (prefers-color-scheme:dark){:root{--page:#11151a;--card:#191f27;--ink:#e5e9ee;--soft:#9fabb9;--line:#2d3641;
--track:#2a323c;--link:#8fbdf0;--pass:#63cf93;--fail:#f5928a;--look:#e9b850;--pass-bg:#173325;--fail-bg:#3d1f1d;
--look-bg:#3a2d10;--none-bg:#262e38;--guide-bg:#20304a;--c0:#5b9bdd;--c1:#e8707f;--c2:#f2c46b;--c3:#5fbfae;
--c4:#b294d0;
--c5:#9dbf55;--c6:#d38bb4;--c7:#e8707f;--c8:#7d8896;--dup:#4d5967;--del:#5a2522;--ins:#1d4a30}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.6 var(--sans);overflow-wrap:anywhere}
a{color:var(--link)}
.switch{position:fixed;opacity:0;pointer-events:none}
.in-zh,.in-en{display:none}
#show-zh:checked~.in-zh,#show-en:checked~.in-en{display:block}
#show-zh:checked~.in-zh label[for=show-zh],#show-en:checked~.in-en label[for=show-en]{background:var(--link);
color:var(--card)}
#show-zh:focus-visible~div label[for=show-zh],
#show-en:focus-visible~div label[for=show-en]{outline:3px solid var(--c2)}
header{max-width:1240px;margin:0 auto;padding:28px 24px 12px;display:flex;justify-content:space-between;gap:16px;
align-items:flex-end;flex-wrap:wrap}
h1{margin:0;font:600 30px/1.25 var(--serif)}
h1 small{display:block;font:500 13px/1.6 var(--sans);color:var(--soft);letter-spacing:.06em}
.languages{margin:0;display:flex;border:1px solid var(--line);border-radius:8px;overflow:hidden;
background:var(--card)}
.languages label{padding:5px 14px;cursor:pointer;font-size:14px}
nav ol{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:2px 16px}
nav{max-width:1240px;margin:0 auto;padding:0 24px 12px;font-size:14px}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
nav .empty a{color:var(--soft)}
main{max-width:1240px;margin:0 auto;padding:0 24px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;margin:0 0 18px;
scroll-margin-top:12px}
section.empty{padding:12px 22px;display:flex;gap:6px 18px;align-items:baseline;flex-wrap:wrap}
h2{font:600 21px/1.35 var(--serif);margin:0 0 12px}
section.empty h2{margin:0;font-size:17px;color:var(--soft)}
.nothing{margin:0;color:var(--soft)}
.place{color:var(--soft);font:500 14px/1 var(--sans);margin-right:4px}
h3{font-size:15px;line-height:1.4;margin:0 0 6px}
p{margin:0 0 10px}
.intro,.note,.why{color:var(--soft);font-size:13.5px}
.note{margin:6px 0 0}
.block{margin:18px 0 0;min-width:0}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:10px 32px}
.verdict{border-left:5px solid var(--soft);padding:2px 0 2px 16px;margin-bottom:16px}
.verdict.pass{border-color:var(--pass)}.verdict.fail{border-color:var(--fail)}.verdict.look{border-color:var(--look)}
.answer{font:600 26px/1.3 var(--serif);margin:0 0 6px}
.figures{list-style:none;margin:0 0 18px;padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(112px,
1fr));
gap:1px;background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden}
.figures li{box-shadow:0 0 0 1px var(--line)}
.figures a{display:block;background:var(--card);padding:10px 12px;height:100%;text-decoration:none;color:inherit}
.figures a:hover{background:var(--page)}
.figures b{display:block;font-size:20px;line-height:1.3;font-variant-numeric:tabular-nums}
.figures span{color:var(--soft);font-size:13px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(180px,100%),1fr));gap:12px}
.card{border:1px solid var(--line);border-top:4px solid var(--c8);border-radius:8px;padding:12px 14px;min-width:0}
.card.pass{border-top-color:var(--pass)}.card.fail{border-top-color:var(--fail)}
.card .value{font-size:24px;font-weight:600;line-height:1.25;margin:0;font-variant-numeric:tabular-nums}
.card .aim{color:var(--soft);font-size:13px;margin:0 0 8px}
.card .why{margin:8px 0 0;font-size:13px}
.badge{display:inline-block;border-radius:5px;padding:0 7px;font-size:12.5px;line-height:1.6;
background:var(--none-bg);
color:var(--ink);text-decoration:none;white-space:nowrap;margin:0 2px 2px 0}
.badge.pass{background:var(--pass-bg);color:var(--pass)}.badge.fail{background:var(--fail-bg);color:var(--fail)}
.badge.look{background:var(--look-bg);color:var(--look);white-space:normal}
.badge.guide{background:var(--guide-bg);color:var(--link)}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;max-height:640px;overflow-y:auto}
.scroll:focus-visible{outline:3px solid var(--c2)}
table{border-collapse:collapse;width:100%;font-size:13.5px;line-height:1.45}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.scroll{position:relative}.bars{position:relative}
th,td{text-align:left;vertical-align:top;padding:7px 10px;font-weight:400;border-top:1px solid var(--line);
overflow-wrap:break-word;
min-width:60px;max-width:340px}
thead th{position:sticky;top:0;background:var(--page);color:var(--soft);font-weight:600;white-space:nowrap;
border-top:0;
z-index:1}
tbody th{min-width:190px;max-width:280px}
.scroll tbody th{position:sticky;left:0;background:var(--card)}
td.wide{min-width:200px}
.num{text-align:right;min-width:0;font-variant-numeric:tabular-nums;white-space:nowrap}
th small,td small{display:block;color:var(--soft);font-size:12px}
.title{font-weight:600}
.file{overflow-wrap:anywhere}.arcs b{display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;
overflow:hidden}
.low{color:var(--look);font-weight:600}
.bars th,.bars td{border:0;padding:3px 8px 3px 0;vertical-align:middle;min-width:0}
.bars th{width:34%;max-width:none}.bars td.num{width:1%;padding:3px 0 3px 4px}
svg{display:block;width:100%}
.strip{height:10px;border-radius:5px;min-width:48px}td>.strip{min-width:72px}.verdict .strip{margin:0 0 10px}
.stacked{height:26px;border-radius:5px;margin:4px 0;min-width:180px}
.histogram{height:auto;max-width:560px}
.histogram text{font:11.5px var(--sans);fill:var(--soft)}.histogram .mark{fill:var(--fail);font-weight:600}
.curve{height:48px;margin:4px 0}
.track{fill:var(--track)}.tick{fill:var(--ink)}.axis{stroke:var(--soft)}line.grid{stroke:var(--line)}
.target{stroke:var(--fail);stroke-width:1.5;stroke-dasharray:5 4}
.area{fill:var(--c0);opacity:.18}.line{fill:none;stroke:var(--c0);stroke-width:2;vector-effect:non-scaling-stroke}
rect.pass{fill:var(--pass)}rect.beyond,rect.fail{fill:var(--c7)}
.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}.c4{fill:var(--c4)}.c5{fill:var(--c5)}
.c6{fill:var(--c6)}.c7{fill:var(--c7)}.c8{fill:var(--c8)}.dup{fill:var(--dup)}
.key{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}
i.c0{background:var(--c0)}i.c1{background:var(--c1)}i.c2{background:var(--c2)}i.c3{background:var(--c3)}
i.c4{background:var(--c4)}i.c5{background:var(--c5)}i.c6{background:var(--c6)}i.c7{background:var(--c7)}
i.c8{background:var(--c8)}i.dup{background:var(--dup)}
.legend{font-size:13px;margin:4px 0 8px}
.sum{font-size:16px;font-variant-numeric:tabular-nums}
.looks,.examples{list-style:none;margin:0;padding:0}
.looks li{padding:6px 0;border-top:1px solid var(--line)}
.examples{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(380px,100%),1fr));gap:10px}
.examples li{border:1px solid var(--line);border-radius:8px;padding:10px 12px;min-width:0}
.examples small{color:var(--soft)}
blockquote{margin:6px 0 0;font:15px/1.7 var(--serif);white-space:pre-wrap}
td blockquote{margin:0;font-size:14px}
pre{margin:6px 0 0;font:13px/1.6 ui-monospace,Menlo,Consolas,"Noto Sans Mono CJK SC",monospace;white-space:pre-wrap}
del,ins{padding:0 2px;border-radius:3px}del{background:var(--del);text-decoration:line-through}
ins{background:var(--ins);text-decoration:underline}
pre del,pre ins{text-decoration:none}.gap{fill:none;stroke:var(--soft);stroke-dasharray:4 3;
vector-effect:non-scaling-stroke}
.arcs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(250px,100%),1fr));gap:12px}
figure{margin:0;min-width:0}
.arcs figure{border:1px solid var(--line);border-radius:8px;padding:10px 12px}
.arcs figcaption,.passage figcaption{display:flex;justify-content:space-between;gap:8px;align-items:baseline}
.passage{border-left:3px solid var(--line);padding-left:12px;margin:12px 0}
.passage .why{margin:4px 0 0}
details summary{cursor:pointer;color:var(--link)}details ul{margin:4px 0 0;padding-left:16px}
footer{max-width:1240px;margin:0 auto;padding:4px 24px 40px;color:var(--soft);font-size:13px}
@media (max-width:640px){header,nav,main,footer{padding-left:12px;padding-right:12px}section{padding:14px 14px}
h1{font-size:24px}.answer{font-size:22px}.bars th{width:42%}tbody th{min-width:120px;max-width:150px}
td.wide{min-width:170px}}
@media print{:root{--page:#fff;--card:#fff}body{font-size:11pt}nav,.languages{display:none}section{border:0;padding:0;
break-inside:auto}.card,.arcs figure,.examples li,tr{break-inside:avoid}.scroll{overflow:visible;max-height:none;
border:0}
thead th{position:static}table{font-size:8.5pt}th,td{padding:3px 5px;min-width:0}tbody th,td.wide{min-width:0}}
"""
