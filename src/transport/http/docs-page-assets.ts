/** The page's own style: light or dark as its reader has it, one column where there is no room for two. */
export const STYLE = `
:root{color-scheme:light dark;--back:#fff;--side:#f6f7f9;--line:#dfe3e8;--ink:#1b222c;--soft:#5a6675;--link:#0b5fc4;--code:#f0f2f5;--hit:#fffbe8;
--get:#0b6b3a;--post:#0b5fc4;--put:#8a5a00;--patch:#7a3fb0;--delete:#b3261e}
@media(prefers-color-scheme:dark){:root{--back:#14181e;--side:#1a1f27;--line:#2c343f;--ink:#e3e8ee;--soft:#9aa7b6;--link:#7db5ff;--code:#222934;--hit:#2a2718;
--get:#67d391;--post:#7db5ff;--put:#e6b450;--patch:#c79bf2;--delete:#ff8a80}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;display:grid;grid-template-columns:17rem minmax(0,1fr);background:var(--back);color:var(--ink);font:15px/1.55 system-ui,sans-serif}
nav{position:sticky;top:0;height:100vh;overflow-y:auto;padding:1.25rem 1rem 2rem;background:var(--side);border-right:1px solid var(--line)}
nav h2{margin:1.2rem .5rem .3rem;font-size:.72rem;letter-spacing:.08em;text-transform:uppercase;color:var(--soft)}
nav ul{list-style:none;margin:0;padding:0}
nav li a{display:flex;gap:.5rem;padding:.16rem .5rem;border-radius:5px;color:var(--ink);font:12.5px/1.5 ui-monospace,monospace;text-decoration:none;overflow-wrap:anywhere}
nav li a:hover,nav li a:focus-visible{background:var(--line)}
.home{display:flex;gap:.5rem;align-items:baseline;padding:0 .5rem .9rem;font-size:1.15rem;font-weight:700;color:inherit;text-decoration:none}
.home small{font-weight:400;color:var(--soft)}
input{width:100%;padding:.5rem .65rem;border:1px solid var(--line);border-radius:7px;background:var(--back);color:inherit;font:inherit}
main{max-width:60rem;padding:2rem 2.5rem 40vh}
h1{margin:0;font-size:2rem;line-height:1.2}
.lead{margin:.2rem 0 1rem;font-size:1.1rem;color:var(--soft)}
header p{margin:.4rem 0;max-width:46rem}
header table{margin:1rem 0;max-width:46rem}
section>h2{margin:2.5rem 0 .2rem;font-size:1.25rem}
section>p{margin:0 0 .8rem;color:var(--soft)}
a{color:var(--link)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,monospace}
code{font-size:.9em}
p code{padding:.08em .3em;border-radius:4px;background:var(--code)}
var{font-style:normal;color:var(--soft)}
details{margin:.45rem 0;border:1px solid var(--line);border-radius:8px;padding:0 .9rem}
details[open]{padding-bottom:.9rem}
details:target{border-color:var(--link)}
details>p{margin:.5rem 0}
summary{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .7rem;margin:0 -.9rem;padding:.55rem .9rem;cursor:pointer;list-style:none}
summary::-webkit-details-marker{display:none}
summary:hover{background:var(--side);border-radius:8px}
summary code{font-weight:600}
summary span{flex-basis:100%;padding-left:4.2rem;color:var(--soft)}
b{flex:none;width:3.5rem;font:700 11px/1.7 ui-monospace,monospace}
nav b{width:2.9rem;font-size:10px;line-height:1.9}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.patch{color:var(--patch)}.delete{color:var(--delete)}
h3{margin:1rem 0 .3rem;font-size:.85rem}
h3 i{font-weight:400;color:var(--soft)}
h4{margin:.7rem 0 .2rem;font:600 12.5px ui-monospace,monospace;color:var(--soft)}
pre{margin:.6rem 0;padding:.7rem .85rem;border-radius:7px;background:var(--code);font-size:13px;overflow-x:auto}
table{width:100%;border-collapse:collapse}
tr+tr{border-top:1px solid var(--line)}
th,td{padding:.3rem 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{width:10rem;padding-right:1rem;font:13px/1.7 ui-monospace,monospace}
td i{font-style:normal;font-size:13px;color:var(--soft)}
td p{margin:0}
[hidden]{display:none!important}
@media(max-width:52rem){body{display:block}nav{position:static;height:auto;border:0}nav h2,nav ul{display:none}main{padding:1.25rem 1rem}summary span{padding-left:0}th{width:7rem}}
`

/** Lists the operations at the side; searches in everything that is said of an operation; opens the one that a link names. */
export const SCRIPT = `
const search = document.getElementById('search'), nothing = document.getElementById('nothing')
const items = [...document.querySelectorAll('details')].map((item) => [item, (item.id + ' ' + item.textContent).toLowerCase()])
const links = new Map()
for (const section of document.querySelectorAll('section')) {
  const list = document.createElement('ul')
  for (const item of section.querySelectorAll('details')) {
    const line = document.createElement('li'), link = document.createElement('a'), method = item.querySelector('summary b')
    link.href = '#' + item.id
    link.append(...(method ? [method.cloneNode(true)] : []), item.id.replace('shape-', ''))
    line.append(link)
    list.append(line)
    links.set(item.id, line)
  }
  document.querySelector('nav').append(section.querySelector('h2').cloneNode(true), list)
}
function find() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean)
  let found = 0
  for (const [item, text] of items) {
    const fits = words.every((word) => text.includes(word))
    item.hidden = links.get(item.id).hidden = !fits
    if (fits) found++
  }
  for (const section of document.querySelectorAll('section')) section.hidden = !section.querySelector('details:not([hidden])')
  for (const list of document.querySelectorAll('nav ul')) list.hidden = list.previousElementSibling.hidden = !list.querySelector('li:not([hidden])')
  nothing.hidden = found > 0
  document.querySelector('header').hidden = words.length > 0
}
function show() {
  const item = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  if (item?.tagName !== 'DETAILS') return
  if (item.hidden) { search.value = ''; find() }
  item.open = true
  item.scrollIntoView()
}
search.addEventListener('input', find)
search.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') { search.value = ''; find() }
  if (event.key === 'Enter') document.querySelector('details:not([hidden]) summary')?.click()
})
addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== search) { event.preventDefault(); search.focus() }
})
addEventListener('hashchange', show)
find()
show()
`
