// A worker of the official Node client that does what the subject does and writes
// the same ledger (package ledger has its form). It writes no renewals, which its
// library does not tell, and no outcomes, which the event stream does.
//
//   node worker.mjs <modules> <bullmq|bullmq5> <url> <prefix> <queue> <folder> <lock ms> <clock ms>
//
// modules is a package.json beside the client; clock is how wrong this process's
// clock is.
import { openSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const [modules, client, url, prefix, queue, folder, lock, clock] = process.argv.slice(2);

if (clock !== '0') {
  const right = Date.now;
  Date.now = () => right() + Number(clock);
}

const { Worker, UnrecoverableError } = createRequire(modules)(client);
const now = () => process.hrtime.bigint() / 1000n; // CLOCK_MONOTONIC, as in Go
const book = openSync(`${folder}/${client}-${process.pid}-${now()}.ledger`, 'ax');
const tell = (kind, ...words) => writeSync(book, `${now()} ${kind} ${words.join(' ')}\n`);
tell('P', process.pid, client, 'start');

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function act({ do: deed, n = 0, ms = 0, b = 0 }, failures) {
  if (ms > 0) await sleep(ms);
  if ((deed === 'fail' || deed === 'panic') && failures < n) throw new Error('failed as it was told to');
  if (deed === 'refuse') throw new UnrecoverableError('failed as it was told to');
  if (deed === 'exhaust') throw new Error('failed as it was told to');
  if (deed === 'kill') process.kill(process.pid, 'SIGKILL');
  if (deed === 'eat') Buffer.alloc(b, 1);
}

async function run(job, token) {
  tell('L', job.id, token, job.attemptsStarted, now() + BigInt(lock) * 1000n);
  tell('S', job.data.k, job.id, token, job.attemptsStarted);
  try {
    await act(job.data, (job.stacktrace ?? []).length);
    tell('X', job.data.k, job.id);
    return job.data.k;
  } finally {
    tell('R', job.id, token);
  }
}

const { hostname, port } = new URL(url);
const worker = new Worker(queue, run, {
  prefix, concurrency: 4, lockDuration: Number(lock),
  connection: { host: hostname, port: Number(port), maxRetriesPerRequest: null },
});
worker.on('error', () => {}); // a server that is away is what this is about

process.on('SIGTERM', async () => {
  tell('P', process.pid, client, 'stop');
  await worker.close();
  tell('P', process.pid, client, 'done');
  process.exit(0);
});
