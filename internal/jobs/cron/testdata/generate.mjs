// Writes what cron-parser answers, one case a line, for fixtures_test.go:
//
//   npm ci
//   npm run generate                                   the committed next.json
//   node generate.mjs --random 100000 --seed 7 > more.json
//   go test ./internal/jobs/cron -fixtures $PWD/more.json
//
// A case is {pattern, tz, after} with either next, the five times that follow,
// or error, what cron-parser says. Each time comes from a parse of its own that
// starts at the time before, since that is what BullMQ does.
//
// Left out is what this package does not share with cron-parser. For lines that
// it refuses see TestParseRefusesMoreThanCronParser, for clocks that change in
// odd ways see settled below and TestNextWhereCronParserBreaksItsRules.
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
  for (let last = after; next.length < STEPS; next.push(last)) {
    last = CronExpressionParser.parse(pattern, { tz, currentDate: new Date(last) }).next().getTime();
  }
  return next;
}

// ---- zones

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

const formats = new Map();
function offset(tz, ms) {
  if (!formats.has(tz)) formats.set(tz, new Intl.DateTimeFormat('en-US', { timeZone: tz, timeZoneName: 'longOffset' }));
  const name = formats.get(tz).formatToParts(ms).find((p) => p.type === 'timeZoneName').value;
  const [, sign, h, m] = name.match(/^GMT(?:([+-])(\d\d):(\d\d))?/);
  return h === undefined ? 0 : (sign === '-' ? -1 : 1) * (h * HOUR + m * MINUTE);
}

// changesOf lists when a zone changed or will change its offset, and by how much.
const changeLists = new Map();
function changesOf(tz) {
  if (changeLists.has(tz)) return changeLists.get(tz);
  const list = [];
  for (let lo = Date.UTC(1989, 0, 1); lo < Date.UTC(2038, 0, 1); lo += 4 * DAY) {
    let a = lo, b = lo + 4 * DAY;
    const before = offset(tz, a), after = offset(tz, b);
    if (before === after) continue;
    while (b - a > 1000) {
      const mid = Math.floor((a + b) / 2000) * 1000;
      if (offset(tz, mid) === before) a = mid; else b = mid;
    }
    list.push({ at: b, by: after - before, clock: (((b + after) % DAY) + DAY) % DAY });
  }
  changeLists.set(tz, list);
  return list;
}

// settled reports whether the times keep away from the changes around which
// cron-parser does not keep its own rules: one that is not by an hour, or not on
// the hour, or repeats the first hour of a day; and the last second before one
// that skips midnight.
function settled(tz, times) {
  return !changesOf(tz).some(({ at, by, clock }) => {
    const odd = Math.abs(by) !== HOUR || clock % HOUR !== 0 || (by < 0 && clock === 0);
    if (odd) return times.some((t) => Math.abs(t - at) < 30 * HOUR);
    return by > 0 && clock === HOUR && times[0] > at - 1000 && times[0] < at;
  });
}

// ---- cases

const lines = new Set();
function add(group, pattern, tz, after) {
  const ms = typeof after === 'number' ? after : Date.parse(after);
  const question = { group, pattern, tz, after: iso(ms) };
  try {
    CronExpressionParser.parse(pattern, { tz, currentDate: new Date(ms) });
  } catch (e) {
    lines.add(JSON.stringify({ ...question, error: e.message }));
    return;
  }
  if (!settled(tz, [ms])) return;
  let next;
  try {
    next = follow(pattern, tz, ms);
  } catch (e) {
    console.error('left out:', JSON.stringify(question), e.message);
    return;
  }
  if (settled(tz, [ms, ...next])) lines.add(JSON.stringify({ ...question, next: next.map(iso) }));
}

// ---- what is written by hand

const SYNTAX = `
* * * * * *|* * * * *|? ? ? ? ?|? ? ? ? ? ?|*/1 * * * *|*/15 * * * *|*/7 * * * *|5/20 * * * *|0/1 * * * *
10-20 * * * *|10-20/3 * * * *|10-10 * * * *|59 * * * *|00 * * * *|05,35 * * * *|50,10,30 * * * *|1-5,10-15,40/7 * * * *
0 */6 * * *|0 9-17 * * *|0 9-17/4 * * *|0 0,12 * * *|30 23 * * *|0 22-23 * * *|15 3/5 * * *|*/90 * * * *|*/59 * * * *
0 0 1 * *|0 0 15,30 * *|0 0 31 * *|0 0 30 * *|0 0 29 * *|0 0 */2 * *|0 0 */10 * *|0 0 10-20/5 * *|0 0 5/9 * *|0 0 28-31 * *
0 0 L * *|0 0 1,L * *|0 0 15,L 2 *|0 0 L 2 *|0 12 L */3 *|59 59 23 L 12 *|0 0 L * 1|0 0 L * L
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
* * * * L|* * * * L5|* * * * LL|* * * * 5l|* * * * 1#0|* * * * 1#6|* * * * 1#|* * * * #1|* * * * #|* * * * 1#1#1|* * * * 1#x
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
  ['America/Havana', '2024-03-10T05:00:00Z'], ['Pacific/Auckland', '2024-09-28T14:00:00Z'],
  ['Africa/Cairo', '2024-04-25T22:00:00Z'], ['Africa/Cairo', '2024-10-31T21:00:00Z'],
  ['Europe/Dublin', '2024-03-31T01:00:00Z'], ['Europe/Dublin', '2024-10-27T01:00:00Z'],
  ['Pacific/Auckland', '2024-04-06T14:00:00Z'], ['Asia/Beirut', '2024-03-30T22:00:00Z'],
];
const AROUND = [-26 * 60, -180, -75, -60, -45, -20, 0, 15, 40, 75].map((m) => m * MINUTE).concat([-1000, -500]);
const DAILY = ['0 0', '30 0', '15 1', '0 2', '30 2', '*/20 2', '0 3', '45 23', '0 0,23', '30 1,2', '*/30 1-3', '0 */2', '0 *', '*/20 *', '10 4', '0 12'];

for (const [tz, at] of CHANGES) {
  for (const [i, time] of DAILY.entries()) {
    for (const [j, off] of AROUND.entries()) {
      if ((i + j) % 4 === 0) add('change', `${time} * * *`, tz, Date.parse(at) + off);
    }
  }
  add('change', '*/10 * 2 * * *', tz, Date.parse(at) - HOUR - 5000);
  add('change', '59 59 1,2 * * *', tz, Date.parse(at) - HOUR);
  add('change', '30 2 * * 0', tz, Date.parse(at) - DAY);
  add('change', '0 0 1 * *', tz, Date.parse(at) - DAY);
  add('change', '30 2 L * 0L', tz, Date.parse(at) - 40 * DAY);
}

// ---- Lord Howe Island, half an hour either way, on its ordinary days

for (const [i, time] of DAILY.entries()) {
  add('lord-howe', `${time} * * *`, 'Australia/Lord_Howe', '2024-06-30T13:29:59Z');
  add('lord-howe', `${time} * * *`, 'Australia/Lord_Howe', '2025-01-31T12:45:00Z');
  add('lord-howe', `${time} 1 */3 *`, 'Australia/Lord_Howe', Date.UTC(2024, i, 29, 14, 15));
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

function randomTime(tz) {
  const ms = pick([0, 0, 1, 500, 999]);
  const changes = changesOf(tz);
  if (changes.length === 0 || below(2)) return Date.UTC(1990, 0, 1) + below(45 * 365 * 86400) * 1000 + ms;
  return pick(changes).at - 30 * HOUR + below(36 * 3600) * 1000 + ms;
}

for (let i = 0; i < Number(args.random); i++) {
  const tz = pick(zones);
  add('random', randomPattern(), tz, randomTime(tz));
}

process.stdout.write(`[\n${[...lines].join(',\n')}\n]\n`);
