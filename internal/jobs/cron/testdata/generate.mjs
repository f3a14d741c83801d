// Writes what cron-parser answers, one case a line, for fixtures_test.go:
//
//   npm ci
//   npm run generate                                   the committed next.json
//   node generate.mjs --random 100000 --seed 7 > more.json
//   go test ./internal/jobs/cron -fixtures more.json   a wider comparison
//
// A case is {pattern, tz, after} with either next, the five times that follow,
// or error, what cron-parser says. Each time comes from a parse of its own that
// starts at the time before, since that is what BullMQ does. Where cron-parser
// fails to get ahead, next ends early and stuck says how.
//
// The output depends on nothing but the arguments, cron-parser, and the time
// zone data inside of Node; it keeps to years that this data is settled for.

import { parseArgs } from 'node:util';
import { CronExpressionParser } from 'cron-parser';

const { values: args } = parseArgs({
  options: {
    random: { type: 'string', default: '700' },
    seed: { type: 'string', default: '1' },
    zones: { type: 'string', default: 'some' }, // or: all, every zone that Node knows
  },
});

const STEPS = 5;

function iso(ms) {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

function follow(pattern, tz, after) {
  const next = [];
  let last = after;
  while (next.length < STEPS) {
    let time;
    try {
      time = CronExpressionParser.parse(pattern, { tz, currentDate: new Date(last) }).next().getTime();
    } catch (e) {
      return { next, stuck: e.message };
    }
    if (time <= last) return { next, stuck: `goes back to ${iso(time)}` };
    next.push(iso(time));
    last = time;
  }
  return { next };
}

function answer(pattern, tz, after) {
  try {
    CronExpressionParser.parse(pattern, { tz, currentDate: new Date(after) });
  } catch (e) {
    return { error: e.message };
  }
  return follow(pattern, tz, after);
}

const lines = new Set();
function add(group, pattern, tz, after) {
  const ms = typeof after === 'number' ? after : Date.parse(after);
  lines.add(JSON.stringify({ group, pattern, tz, after: iso(ms), ...answer(pattern, tz, ms) }));
}

// ---- what is written by hand

const SYNTAX = `
* * * * * *|* * * * *|? ? ? ? ?|? ? ? ? ? ?|*/1 * * * *|*/15 * * * *|*/7 * * * *|5/20 * * * *|0/1 * * * *
10-20 * * * *|10-20/3 * * * *|10-10 * * * *|59 * * * *|00 * * * *|05,35 * * * *|50,10,30 * * * *|1-5,10-15,40/7 * * * *
0 */6 * * *|0 9-17 * * *|0 9-17/4 * * *|0 0,12 * * *|30 23 * * *|0 22-23 * * *|15 3/5 * * *|*/90 * * * *|*/59 * * * *
0 0 1 * *|0 0 15,30 * *|0 0 31 * *|0 0 30 * *|0 0 29 * *|0 0 */2 * *|0 0 */10 * *|0 0 10-20/5 * *|0 0 5/9 * *|0 0 28-31 * *
0 0 L * *|0 0 1,L * *|0 0 15,L 2 *|0 0 L 2 *|0 12 L */3 *|59 59 23 L 12 *|0 0 L * 1|0 0 L * L|0 0 5L * *
0 0 * 1 *|0 0 * jan *|0 0 * JAN-MAR *|0 0 1 jan,Apr,JUL,oct *|0 0 * nov/1 *|0 0 * */5 *|0 0 1 feb-dec/3 *|0 0 1 12 *
0 0 * * 0|0 0 * * 7|0 0 * * sun|0 0 * * SUN,Wed|0 0 * * mon-fri|0 0 * * 1-5/2|0 0 * * 5-7|0 0 * * 6-7|0 0 * * 0-7|0 0 * * 1-7
0 0 * * 0-6|0 0 * * */2|0 0 * * */3|0 0 * * */7|0 0 * * 1/2|0 0 * * 2/2|0 0 * * 7-7|0 0 * * 0-0|0 0 * * fri/1|0 0 * * sat
0 0 * * 5L|0 0 * * 0L|0 0 * * 7L|0 0 * * 1L,3L|0 0 * * 1,5L|0 0 * * friL|0 0 * 2 1L|30 18 * 12 6L
0 0 * * 1#1|0 0 * * 1#2|0 0 * * 5#3|0 0 * * 0#4|0 0 * * 7#4|0 0 * * mon#5|0 0 * * SUN#5|0 0 * 2 0#5|0 0 * 2 1#5|0 0 * * *#2|0 0 * * 2#02
0 0 13 * 5|0 0 1,15 * 1|0 0 1 * */2|0 0 */2 * 1|0 0 */1 * 1|0 0 1 * ?|0 0 ? * 1|0 0 1-31 * 1|0 0 31 2 1|0 0 30 2 5L|0 0 31 4 3#2
0 0 * * 1#1,3|0 0 L 1 5L|0 0 1 1 5#2|0 0 31 1,2 *|0 0 31 4,5 *|0 0 31 */2 *|0 0 30,31 1-2 *
0 0 29 2 *|0 0 29 feb *|0 0 28-31 2 *|0 0 29,30 2 *|0 0 29 2 1|0 0 29 2-3 *|59 59 23 29 2 *
0 0 0 1 1 *|59 59 23 31 12 *|0 0 0 31 12 *|*/10 * * * * *|30 * * * * *|15,45 30 12 * * *|10-12 0 0 * * *|0-59/29 */30 * * * *|7/25 1 2 3 4 *
5 4 3 2 1 *|* 0 0 1 1 *|* * 23 * * *|0 59 23 * * 1-5|59 59 * * * *
@yearly|@annually|@monthly|@weekly|@daily|@hourly|@minutely|@secondly|@weekdays|@weekends
  0 0 * * *  |0\t0 *\t* *|\u00a00 0 * * *
`;

const ERRORS = `
60 * * * *|* 24 * * *|* * 0 * *|* * 32 * *|* * * 0 *|* * * 13 *|* * * * 8|60 * * * * *|* 60 * * * *|* * 24 * * *
0-60 * * * *|5-1 * * * *|1- * * * *|-1 * * * *|1--2 * * * *|- * * * *|1,,2 * * * *|,1 * * * *|1, * * * *|, * * * *
*/0 * * * *|*/ * * * *|/5 * * * *|1/2/3 * * * *|*/-1 * * * *|*/x * * * *|5/0 * * * *|*//2 * * * *|*5 * * * *|** * * * *
1,1 * * * *|1-5,3 * * * *|*/5,10 * * * *|*,1 * * * *|* * L,L * *|* * * * 0,7|* * * * 5-7,0|* * * * 6-7,7|* * * * 1L,1L
a * * * *|1x * * * *|1.5 * * * *|+1 * * * *|0x1 * * * *|1e1 * * * *|\u0661 * * * *|* jan * * *|mon * * * *|* * mon * *
* * * foo *|* * * january *|* * * * monday *|* * * * xyz|* * * * mo|* * * m *|* * * * fri-mon
* * W * *|* * 15W * *|* * LW * *|* * L-3 * *|* * 3-L * *|* * L/2 * *|* * L5 * *|* * l * *|* * * L *|L * * * *|* L * * *
* * * * L|* * * * L5|* * * * LL|* * * * 5l|* * * * 5L-6L|* * * * 1#0|* * * * 1#6|* * * * 1#|* * * * #1|* * * * #|* * * * 1#1#1|* * * * 1#x
* * * * 1,2#1|* * * * 1-5#1|* * * * */2#1|* * * * 8#1|* * 1#1 * *|1#1 * * * *
0 0 30 2 *|0 0 31 2 *|0 0 31 4 *|0 0 31 6 *|0 0 31 9 *|0 0 31 11 *|0 0 30,31 2 *|0 0 30-31 feb ?|0 0 31 nov *
* * * * * * *|0 0 0 1 1 * 2030|@every 5m|@reboot|@midnight|@Daily|@DAILY| @daily|@daily |@|@daily * * * *
`;

function patterns(text) {
  return text.split('\n').flatMap((l) => l.split('|')).filter((p) => p.trim() !== '');
}

for (const pattern of patterns(SYNTAX)) {
  add('syntax', pattern, 'UTC', '2023-12-31T23:59:59Z');
  add('syntax', pattern, 'Europe/Madrid', '2024-02-27T11:30:15.250Z');
  add('syntax', pattern, 'Asia/Kolkata', '2025-06-30T18:29:59.999Z');
}
for (const pattern of patterns(ERRORS)) add('error', pattern, 'UTC', '2024-01-01T00:00:00Z');

for (const after of ['1999-12-31T23:59:59Z', '1970-01-01T00:00:00Z', '1969-12-31T23:59:59.5Z', '2096-03-01T00:00:00Z', '1899-06-01T00:00:00Z', '2400-02-29T00:00:00Z']) {
  for (const pattern of ['* * * * * *', '0 0 29 2 *', '0 0 1 1 *', '0 0 L 2 *', '0 0 * 2 0#5', '59 59 23 31 12 *', '0 0 * * 1L']) {
    add('calendar', pattern, 'UTC', after);
  }
}

// ---- where clocks change: patterns around the hours, from times around the change

const CHANGES = [
  ['Europe/Madrid', '2024-03-31T01:00:00Z'], ['Europe/Madrid', '2024-10-27T01:00:00Z'], ['Europe/Madrid', '2030-03-31T01:00:00Z'],
  ['America/New_York', '2024-03-10T07:00:00Z'], ['America/New_York', '2024-11-03T06:00:00Z'], ['America/New_York', '2006-04-02T07:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T03:00:00Z'], ['America/Sao_Paulo', '2019-02-17T02:00:00Z'], ['America/Sao_Paulo', '2012-10-21T03:00:00Z'],
  ['America/Santiago', '2024-09-08T04:00:00Z'], ['America/Santiago', '2024-04-07T03:00:00Z'],
  ['America/Havana', '2024-03-10T05:00:00Z'], ['America/Havana', '2024-11-03T05:00:00Z'],
  ['Africa/Cairo', '2024-04-25T22:00:00Z'], ['Africa/Cairo', '2024-10-31T21:00:00Z'],
  ['Europe/Dublin', '2024-03-31T01:00:00Z'], ['Europe/Dublin', '2024-10-27T01:00:00Z'],
  ['Australia/Lord_Howe', '2024-10-05T15:30:00Z'], ['Australia/Lord_Howe', '2024-04-06T15:00:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'], ['Asia/Pyongyang', '2018-05-04T15:00:00Z'],
];
const AROUND = [-26 * 60, -180, -75, -60, -45, -20, 0, 15, 40, 75].map((m) => m * 60_000).concat([-1000, -500]);
const DAILY = ['0 0', '30 0', '15 1', '0 2', '30 2', '*/20 2', '0 3', '45 23', '0 0,23', '30 1,2', '*/30 1-3', '0 */2', '0 *', '*/20 *', '10 4', '0 12'];

for (const [tz, at] of CHANGES) {
  for (const [i, time] of DAILY.entries()) {
    for (const [j, off] of AROUND.entries()) {
      if ((i + j) % 4 === 0) add('change', `${time} * * *`, tz, Date.parse(at) + off);
    }
  }
  add('change', '*/10 * 2 * * *', tz, Date.parse(at) - 3600_000 - 5000);
  add('change', '59 59 1,2 * * *', tz, Date.parse(at) - 3600_000);
  add('change', '30 2 * * 0', tz, Date.parse(at) - 86400_000);
  add('change', '0 0 1 * *', tz, Date.parse(at) - 86400_000);
  add('change', '30 2 L * 0L', tz, Date.parse(at) - 40 * 86400_000);
}

// ---- at random

function random(seed) {
  let state = BigInt(seed) * 2654435761n + 88172645463325252n;
  return (n) => {
    state ^= (state << 13n) & 0xffffffffffffffffn;
    state ^= state >> 7n;
    state ^= (state << 17n) & 0xffffffffffffffffn;
    return Number((state >> 16n) % BigInt(n));
  };
}
const below = random(args.seed);
const pick = (list) => list[below(list.length)];
const between = (lo, hi) => lo + below(hi - lo + 1);

function item(lo, hi) {
  const a = between(lo, hi);
  switch (below(6)) {
    case 0: return `${a}-${between(a, hi)}`;
    case 1: return `${a}-${between(a, hi)}/${between(1, 9)}`;
    case 2: return `${a}/${between(1, 20)}`;
    case 3: return `*/${between(1, 1 + Math.floor(hi / 2))}`;
    default: return `${a}`;
  }
}
const list = (lo, hi) => Array.from({ length: pick([1, 1, 1, 2, 3]) }, () => item(lo, hi)).join(',');
const often = (star, rest) => (below(10) < star ? '*' : rest());

function randomPattern() {
  const fields = [
    often(2, () => list(0, 59)),
    often(3, () => (below(3) ? list(0, 3) : list(0, 23))),
    often(5, () => pick([() => list(1, 31), () => 'L', () => `${between(1, 28)},L`])()),
    often(6, () => list(1, 12)),
    often(5, () => pick([() => list(0, 7), () => `${between(0, 7)}L`, () => `${between(0, 7)}#${between(1, 5)}`, () => pick(['sun', 'MON-FRI', 'wed,sat', 'friL'])])()),
  ];
  return (below(4) ? fields : [often(3, () => list(0, 59)), ...fields]).join(' ');
}

const SOME = ['UTC', 'Europe/Madrid', 'America/New_York', 'Asia/Kolkata', 'America/Sao_Paulo', 'Africa/Cairo', 'America/Santiago', 'Pacific/Auckland', 'Asia/Beirut', 'Australia/Lord_Howe'];
const zones = args.zones === 'all' ? Intl.supportedValuesOf('timeZone') : SOME;

// changeAfter finds the first change of a zone's offset after a time, or null.
const formats = new Map();
function offset(tz, ms) {
  if (!formats.has(tz)) formats.set(tz, new Intl.DateTimeFormat('en-US', { timeZone: tz, timeZoneName: 'longOffset' }));
  return formats.get(tz).formatToParts(ms).find((p) => p.type === 'timeZoneName').value;
}
function changeAfter(tz, ms) {
  const week = 7 * 86400_000;
  for (let lo = ms, i = 0; i < 60; i++, lo += week) {
    if (offset(tz, lo) === offset(tz, lo + week)) continue;
    let a = lo, b = lo + week;
    while (b - a > 1000) {
      const mid = Math.floor((a + b) / 2000) * 1000;
      if (offset(tz, mid) === offset(tz, lo)) a = mid; else b = mid;
    }
    return b;
  }
  return null;
}

function randomTime(tz) {
  const any = Date.UTC(1990, 0, 1) + below(45 * 365 * 86400) * 1000 + pick([0, 0, 1, 500, 999]);
  if (below(2)) return any;
  const change = changeAfter(tz, any - (any % 1000));
  return change === null ? any : change - 30 * 3600_000 + below(36 * 3600) * 1000 + pick([0, 0, 500]);
}

for (let i = 0; i < Number(args.random); i++) {
  const tz = pick(zones);
  add('random', randomPattern(), tz, randomTime(tz));
}

process.stdout.write(`[\n${[...lines].join(',\n')}\n]\n`);
