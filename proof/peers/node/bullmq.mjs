// BullMQ under test. It writes the ledger that the subject writes (package ledger
// has its form), as far as the library tells what belongs there: no renewals, and
// no outcomes.
//
//   node bullmq.mjs produce …  adds the jobs of a file, one task in a line
//   node bullmq.mjs work …     runs them in a worker
//
// SIGTERM stops it in good order.
import { openSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { positionals: [role], values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    modules: { type: 'string' }, // a package.json beside the library
    redis: { type: 'string' },
    queue: { type: 'string', default: 'storm' },
    ledger: { type: 'string', default: '.' },
    tasks: { type: 'string' },
    rate: { type: 'string', default: '0' },
    parallel: { type: 'string', default: '1' },
    made: { type: 'boolean', default: false },
    concurrency: { type: 'string', default: '5' },
  },
});
const { Queue, Worker } = createRequire(flags.modules)('bullmq');

const lease = 30_000_000n; // µs for which the library's locks hold without a renewal
const now = () => process.hrtime.bigint() / 1000n; // CLOCK_MONOTONIC, as in Go
const book = openSync(`${flags.ledger}/bullmq-${role}-${process.pid}-${now()}.ledger`, 'ax');
const tell = (kind, ...words) => writeSync(book, `${now()} ${kind} ${words.join(' ')}\n`);
const about = (what) => tell('P', process.pid, 'bullmq', what);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const { hostname: host, port } = new URL(flags.redis);
const server = { host, port: Number(port) };
const ignore = () => {}; // errors of a server that is away, which is what this is about

// add stores one job and writes down each answer. It is repeated where that
// cannot make two jobs of one.
async function add(queue, task) {
  const id = flags.made ? '-' : task.k;
  tell('I', task.k, 'completed', 0, 0);
  for (;;) {
    try {
      const job = await queue.add(task.do, task, flags.made ? {} : { jobId: id });
      tell('A', task.k, job.id, 0);
      return;
    } catch (error) {
      tell('U', task.k, id, JSON.stringify(String(error)));
      if (flags.made) return;
      await sleep(100);
    }
  }
}

async function produce() {
  const queue = new Queue(flags.queue, { connection: server });
  queue.on('error', ignore);
  const tasks = readFileSync(flags.tasks, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const rate = Number(flags.rate);
  const began = performance.now();
  let next = 0;
  const clerk = async () => {
    while (next < tasks.length) {
      const i = next++;
      if (rate > 0) await sleep(began + (i * 1000) / rate - performance.now());
      await add(queue, tasks[i]);
    }
  };
  await Promise.all(Array.from({ length: Number(flags.parallel) }, clerk));
  about('done');
  await queue.close();
}

// run is one attempt. Its effect is done last, as a mail is sent last.
async function run(job, token) {
  if (job.data.do !== 'ok') throw new Error(`a peer's jobs only succeed, not ${job.data.do}`);
  tell('L', job.id, token, job.attemptsStarted, now() + lease);
  tell('S', job.data.k, job.id, token, job.attemptsStarted);
  try {
    if (job.data.ms > 0) await sleep(job.data.ms);
    tell('X', job.data.k, job.id);
  } finally {
    tell('R', job.id, token);
  }
}

function work() {
  const worker = new Worker(flags.queue, run, {
    connection: { ...server, maxRetriesPerRequest: null }, concurrency: Number(flags.concurrency),
  });
  worker.on('error', ignore);
  process.on('SIGTERM', async () => {
    about('stop');
    await worker.close();
    about('done');
    process.exit(0);
  });
}

about('start');
if (role === 'produce') await produce();
else work();
