// What the local Lambda tells by server-sent events, drawn. Everything that comes from a function is text, never markup.

const environments = new Map();
const invocations = new Map();
const marked = new Set();
let chosen = null;
let opened = [];
let isDrawing = false;

const byId = (id) => document.getElementById(id);

/** An element: `make('td', { class: 'number' }, 'text', child)`. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const millis = (value) =>
  value == null ? '–' : value < 10 ? `${value.toFixed(2)} ms` : value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
const bytes = (value) =>
  value < 10_000 ? `${value} B` : value < 1e7 ? `${(value / 1e3).toFixed(0)} kB` : `${(value / 1e6).toFixed(1)} MB`;
const percent = (part, whole) => `${Math.min(100, Math.max(0, (100 * part) / whole))}%`;
const firstByte = (invocation) => (invocation.first == null ? null : invocation.first - invocation.begin);
const total = (invocation) => (invocation.end == null ? null : invocation.end - invocation.begin);
const isBad = (invocation) => invocation.status >= 500 || (invocation.outcome && invocation.outcome !== 'complete');

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawLanes();
    drawTable();
  });
}

// Environments as lanes, over the time that the last minute of work took.
function drawLanes() {
  if (environments.size === 0) return;
  const now = Date.now();
  const all = [...environments.values()];
  const from = Math.max(Math.min(...all.map((one) => one.begin)), now - 120_000);
  const width = Math.max(now - from, 1000);
  const lanes = all.map((one) => {
    const spans = one.spans
      .filter((span) => (span.to ?? now) >= from)
      .map((span) => {
        const start = Math.max(span.from, from);
        const style = `left:${percent(start - from, width)};width:${percent((span.to ?? now) - start, width)}`;
        const what = `${span.kind}, ${millis((span.to ?? now) - span.from)}`;
        return make('i', { class: `${span.kind} ${span.to == null ? 'now' : ''}`, style, title: what });
      });
    return make(
      'div',
      { class: `lane ${one.state}` },
      make('button', { title: `Show the start of environment ${one.id}`, onclick: () => openEnvironment(one.id) }, `${one.id} · ${one.state}`),
      make('div', { class: 'track', role: 'img', 'aria-label': `Environment ${one.id}: ${one.state}` }, ...spans),
    );
  });
  byId('lanes').replaceChildren(...lanes);
}

function shown() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one) => {
    const text = `${one.method} ${one.target} ${one.status ?? ''} ${one.outcome ?? ''} ${one.front} ${one.id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return [...invocations.values()].filter(fits).reverse();
}

function ticks(invocation, whole, isTall) {
  const { begin, chunks } = invocation;
  const last = chunks.at(-1)?.[0] ?? begin;
  const marks = chunks.map(([at, size]) =>
    make('i', { style: `left:${percent(at - begin, whole)}`, title: isTall ? `${millis(at - begin)}: ${bytes(size)}` : null }),
  );
  const lasting =
    chunks.length > 1
      ? make('u', { style: `left:${percent(chunks[0][0] - begin, whole)};width:${percent(last - chunks[0][0], whole)}` })
      : null;
  const label = `${chunks.length} chunks in ${millis(last - begin)}`;
  return make('div', { class: `ticks ${isTall ? 'tall' : ''}`, role: 'img', 'aria-label': label, title: label }, lasting, ...marks);
}

function drawTable() {
  const list = shown();
  byId('none').hidden = invocations.size > 0;
  const focused = document.activeElement?.dataset?.id;
  byId('invocations').replaceChildren(...list.slice(0, 200).map(row));
  if (focused) byId('invocations').querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  byId('compare').disabled = marked.size !== 2;
}

function row(one) {
  const whole = Math.max((one.end ?? Date.now()) - one.begin, 1);
  const mark = make('input', {
    type: 'checkbox', tabindex: -1, checked: marked.has(one.id), 'aria-label': `Mark ${one.method} ${one.target}`,
    onclick: (event) => { event.stopPropagation(); toggle(one.id); },
  });
  const status = one.status ?? (one.end == null ? '…' : '–');
  return make(
    'tr',
    {
      'data-id': one.id, tabindex: one.id === (chosen ?? shown()[0]?.id) ? 0 : -1,
      'aria-selected': String(opened.includes(one.id)),
      onclick: () => { chosen = one.id; open([one.id]); },
      onfocus: () => { chosen = one.id; },
    },
    make('td', {}, mark),
    make('td', { class: 'request', title: `${one.method} ${one.target}\n${one.id}` }, make('b', {}, one.method), one.target,
      one.cold ? make('span', { class: 'cold', title: 'It waited for a cold start' }, 'cold') : null),
    make('td', { class: isBad(one) ? 'bad' : '', title: one.outcome }, String(status), isBad(one) && one.status < 500 ? ' ✗' : ''),
    make('td', { class: 'number' }, millis(firstByte(one))),
    make('td', { class: 'number' }, millis(total(one))),
    make('td', { class: 'number' }, bytes(one.bytes)),
    make('td', { class: 'wide' }, ticks(one, whole, false)),
    make('td', { class: 'number' }, String(one.env ?? '–')),
  );
}

function toggle(id) {
  if (!marked.delete(id)) {
    if (marked.size === 2) marked.delete(marked.values().next().value);
    marked.add(id);
  }
  draw();
}

const fact = (name, value) => [make('dt', {}, name), make('dd', {}, value)];

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Opens one invocation, or two beside each other. */
async function open(ids) {
  opened = ids;
  const panel = byId('detail');
  const details = await Promise.all(ids.map((id) => fetch(`invocations/${id}`).then((response) => (response.ok ? response.json() : null))));
  if (opened !== ids) return;
  const known = ids.map((id, index) => [invocations.get(id), details[index]]).filter(([one, detail]) => one && detail);
  const whole = Math.max(...known.map(([one]) => (one.end ?? Date.now()) - one.begin), 1);
  panel.replaceChildren(
    make('div', { class: 'bar' }, make('h2', {}, ids.length > 1 ? 'Comparison' : 'Invocation'), make('button', { onclick: close }, 'Close')),
    make('div', { class: 'pair' }, ...known.map(([one, detail]) => article(one, detail, whole, known))),
  );
  panel.hidden = false;
  panel.scrollIntoView({ block: 'nearest' });
  draw();
}

function article(one, detail, whole, all) {
  const [other] = all.map(([each]) => each).filter((each) => each !== one);
  const against = (mine, theirs) =>
    other && mine != null && theirs != null && theirs > 0 ? `${millis(mine)} (${(mine / theirs).toFixed(2)} ×)` : millis(mine);
  const answers = detail.prelude ?? detail.answer;
  return make(
    'article',
    {},
    make('h3', {}, `${one.method} ${one.target}`),
    make('dl', {},
      ...fact('Request id', one.id),
      ...fact('Status', `${one.status ?? '–'}, ${one.outcome ?? 'under way'}`),
      ...fact('Front', one.front),
      ...fact('Environment', `${one.env ?? '–'}${one.cold ? ', cold start' : ''}`),
      ...fact('First byte', against(firstByte(one), other && firstByte(other))),
      ...fact('Total', against(total(one), other && total(other))),
      ...fact('Behind the response', millis(detail.after)),
      ...fact('Bytes', `${bytes(one.bytes)} in ${one.chunks.length} ${one.chunks.length === 1 ? 'chunk' : 'chunks'}`),
    ),
    make('h3', {}, 'Chunks, on one scale'),
    ticks(one, whole, true),
    make('div', { class: 'bar' },
      make('button', { onclick: () => replay(one.id) }, 'Replay'),
      make('a', { class: 'button', href: `invocations/${one.id}/event.json`, download: `${one.id}.json` }, 'Event')),
    make('h3', {}, 'Event'), make('pre', { tabindex: 0 }, pretty(detail.event)),
    make('h3', {}, detail.prelude ? 'Prelude' : 'Answer'), make('pre', { tabindex: 0 }, answers ? pretty(answers) : 'none'),
    make('h3', {}, 'Log'), make('pre', { tabindex: 0 }, detail.log.join('\n') || 'nothing was printed'),
  );
}

/** The waterfall of one environment's start. */
function openEnvironment(id) {
  const one = environments.get(id);
  opened = [];
  const end = Math.max(...one.marks.map((mark) => mark.at), 1);
  const fall = one.marks.flatMap((mark, index) => {
    const from = one.marks[index - 1]?.at ?? 0;
    const style = `left:${percent(from, end)};width:${percent(mark.at - from, end)}`;
    return [
      make('span', {}, mark.name),
      make('div', { class: 'track' }, make('i', { class: one.failed ? 'failed' : 'init', style })),
      make('span', { class: 'number' }, millis(mark.at)),
    ];
  });
  const panel = byId('detail');
  panel.replaceChildren(
    make('div', { class: 'bar' }, make('h2', {}, `Start of environment ${id}`), make('button', { onclick: close }, 'Close')),
    make('dl', {}, ...fact('Runs', one.runtime), ...fact('State', one.state), ...(one.failed ? fact('Failed', one.failed) : [])),
    make('div', { class: 'fall' }, ...fall),
  );
  panel.hidden = false;
  panel.scrollIntoView({ block: 'nearest' });
  draw();
}

function close() {
  byId('detail').hidden = true;
  opened = [];
  draw();
  byId('invocations').querySelector('[tabindex="0"]')?.focus();
}

async function replay(id) {
  const response = await fetch(`invocations/${id}/replay`, { method: 'POST' });
  if (!response.ok) byId('connection').textContent = `replay: ${await response.text()}`;
}

function step(by) {
  const list = shown();
  const at = list.findIndex((one) => one.id === chosen);
  const next = list[Math.min(list.length - 1, Math.max(0, at === -1 ? 0 : at + by))];
  if (!next) return;
  chosen = next.id;
  drawTable();
  byId('invocations').querySelector(`[data-id="${CSS.escape(next.id)}"]`)?.focus();
}

document.addEventListener('keydown', (event) => {
  const isTyping = event.target.matches('input[type=search]');
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    if (isTyping) event.target.blur();
    else close();
    return;
  }
  if (isTyping) {
    if (event.key === 'ArrowDown') step(0);
    return;
  }
  const isRow = event.target.matches('tr[data-id]') || event.target === document.body;
  const actions = {
    ArrowDown: () => isRow && step(1), ArrowUp: () => isRow && step(-1),
    Enter: () => isRow && chosen && open([chosen]), ' ': () => isRow && chosen && toggle(chosen),
    c: () => marked.size === 2 && open([...marked]), r: () => chosen && replay(chosen), '/': () => byId('filter').focus(),
  };
  const action = actions[event.key];
  if (action && action() !== false) event.preventDefault();
});
byId('filter').addEventListener('input', draw);
byId('compare').addEventListener('click', () => open([...marked]));

const feed = new EventSource('feed');
const on = (name, take) => feed.addEventListener(name, (event) => { take(JSON.parse(event.data)); draw(); });
feed.addEventListener('open', () => {
  // The feed begins with all that is known.
  environments.clear();
  invocations.clear();
  byId('connection').textContent = 'live';
  byId('connection').className = '';
  draw();
});
feed.addEventListener('error', () => {
  byId('connection').textContent = 'the local Lambda has gone; waiting for it';
  byId('connection').className = 'lost';
});
on('about', (about) => { byId('about').textContent = `${about.name} · ${about.front} ${about.url}`; });
on('environment', (one) => { environments.set(one.id, one); });
on('invocation', (one) => {
  invocations.set(one.id, { chunks: [], ...invocations.get(one.id), ...one });
  if (opened.includes(one.id) && one.end != null) open(opened);
});
on('chunk', ({ id, at, bytes: size }) => {
  const one = invocations.get(id);
  if (one) { one.chunks.push([at, size]); one.bytes += size; }
});
on('forgotten', ({ id }) => { invocations.delete(id); marked.delete(id); });
// What is under way grows.
setInterval(() => { if (!document.hidden && [...environments.values()].some((one) => one.state !== 'gone')) draw(); }, 500);
