// BullMQ's side of a measurement: it follows the orders that internal/work
// describes, and does what internal/peer does, in the same order.
//
//   node bullmq.mjs redis://127.0.0.1:6379 /path/to/node_modules
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [url, modules] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const { Queue, Worker } = require("bullmq");

const connection = { url, maxRetriesPerRequest: null };
const attemptsOfRetries = 3;
const bulkSize = 1000;
const day = 24 * 60 * 60 * 1000;

const now = () => performance.timeOrigin + performance.now(); // ms, with fractions
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const payload = (n) => ({ to: "ada@example.com", n, at: now() });

const queues = new Map();

async function queueOf(name) {
  if (!queues.has(name)) {
    const queue = new Queue(name, { connection });
    await queue.waitUntilReady();
    queues.set(name, queue);
  }
  return queues.get(name);
}

function options(work, n) {
  const o = {};
  if (work.kind === "retries") o.attempts = attemptsOfRetries;
  if (work.backlog === "prioritized") o.priority = 1 + (n % 1000);
  if (work.backlog === "delayed") o.delay = day;
  return o;
}

async function add(work) {
  const queue = await queueOf(work.queue);
  let next = 0;
  const producer = async () => {
    while (next < work.jobs) {
      const n = ++next;
      await queue.add("send", payload(n), options(work, n));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, work.producers ?? 1) }, producer));
}

async function bulk(work, delay = () => undefined) {
  const queue = await queueOf(work.queue);
  for (let first = 0; first < work.jobs; first += bulkSize) {
    const items = Array.from({ length: Math.min(bulkSize, work.jobs - first) }, (_, i) => ({
      name: "send",
      data: payload(first + i),
      opts: { ...options(work, first + i), delay: delay() ?? options(work, first + i).delay },
    }));
    await queue.addBulk(items);
  }
}

// Crew is the workers of one measurement, connected and not yet taking jobs.
class Crew {
  finished = 0;
  failure = null;
  #enough = null;
  #target = 0;

  static async of(names, concurrency, handle) {
    const crew = new Crew();
    crew.workers = names.map(
      (name) => new Worker(name, async (job) => handle(job), { connection, concurrency, autorun: false }),
    );
    for (const worker of crew.workers) {
      worker.on("error", (error) => crew.#fail(error));
      worker.on("completed", () => crew.#count());
      worker.on("failed", (job, error) => {
        if (!job || job.attemptsMade >= (job.opts.attempts ?? 1)) crew.#fail(error);
      });
      await worker.waitUntilReady();
    }
    return crew;
  }

  #fail(error) {
    this.failure ??= error;
    this.#enough?.();
  }

  #count() {
    if (++this.finished >= this.#target) this.#enough?.();
  }

  start() {
    for (const worker of this.workers) worker.run().catch((error) => this.#fail(error));
  }

  // await resolves when n jobs in all have completed and are stored as such.
  async await(n) {
    this.#target = n;
    await new Promise((resolve) => {
      this.#enough = resolve;
      if (this.failure || this.finished >= n) resolve();
    });
    if (this.failure) throw this.failure;
  }

  async stop() {
    await Promise.all(this.workers.map((worker) => worker.close()));
  }
}

const quantile = (sorted, q) => sorted[Math.min(Math.max(Math.ceil(q * sorted.length) - 1, 0), sorted.length - 1)];

function starts(after) {
  after.sort((a, b) => a - b);
  return { p50Ms: quantile(after, 0.5), p99Ms: quantile(after, 0.99), earliestMs: after[0], lastMs: after.at(-1) };
}

const failTwice = (job) => {
  if (job.attemptsMade < attemptsOfRetries - 1) throw new Error("fails twice");
};

// Each kind prepares and returns what to run, which returns its part of the
// result, and how to end.
const kinds = {
  async add(work) {
    await (await queueOf("warm")).add("send", payload(0));
    await queueOf(work.queue);
    return { run: () => add(work).then(() => ({ jobs: work.jobs })) };
  },
  async bulk(work) {
    await (await queueOf("warm")).add("send", payload(0));
    await queueOf(work.queue);
    return { run: () => bulk(work).then(() => ({ jobs: work.jobs })) };
  },
  fill: (work) => kinds.bulk(work),
  async drain(work) {
    await bulk(work);
    return kinds.consume(work);
  },
  async retries(work) {
    await bulk(work);
    return kinds.consume(work, failTwice);
  },
  async consume(work, handle = () => {}) {
    const crew = await Crew.of([work.queue], work.concurrency, handle);
    const run = async () => {
      crew.start();
      await crew.await(work.jobs);
      return { jobs: work.jobs };
    };
    return { run, end: () => crew.stop() };
  },
  async mixed(work) {
    await queueOf(work.queue);
    const crew = await Crew.of([work.queue], work.concurrency, () => {});
    const run = async () => {
      crew.start();
      await Promise.all([add(work), crew.await(work.jobs)]);
      return { jobs: work.jobs };
    };
    return { run, end: () => crew.stop() };
  },
  async pickup(work) {
    const jobs = Math.round(work.rate * work.seconds);
    const queue = await queueOf(work.queue);
    const after = [];
    const crew = await Crew.of([work.queue], work.concurrency, (job) => void after.push(now() - job.data.at));
    crew.start();
    const run = async () => {
      const started = now();
      const adding = [];
      for (let n = 0; n < jobs; n++) {
        const wait = started + (n * 1000) / work.rate - now();
        if (wait > 0) await sleep(wait);
        adding.push(queue.add("send", payload(n)));
      }
      await Promise.all(adding);
      await crew.await(jobs);
      return { jobs, ...starts(after) };
    };
    return { run, end: () => crew.stop() };
  },
  async due(work) {
    const moment = Math.floor((now() + work.seconds * 1000) / 1000) * 1000 + 1000;
    await bulk(work, () => Math.max(0, moment - Date.now()));
    if (now() > moment) throw new Error(`the jobs were due ${now() - moment} ms before all had been added`);
    const after = [];
    const crew = await Crew.of([work.queue], work.concurrency, () => void after.push(now() - moment));
    crew.start();
    const run = async () => {
      await crew.await(work.jobs);
      return { jobs: work.jobs, seconds: (now() - moment) / 1000, ...starts(after) };
    };
    return { run, end: () => crew.stop() };
  },
  async idle(work) {
    const names = Array.from({ length: work.queues }, (_, n) => `${work.queue}-${n}`);
    for (const name of names) await (await queueOf(name)).add("send", payload(0));
    const crew = await Crew.of(names, work.concurrency, () => {});
    crew.start();
    await crew.await(names.length);
    const run = async () => {
      await sleep(work.seconds * 1000);
      return { jobs: 0 };
    };
    return { run, end: () => crew.stop() };
  },
};

async function measured(run) {
  const cpu = process.cpuUsage();
  const started = now();
  const result = await run();
  const seconds = (now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, earliestMs: 0, ...result, cpuMicros: user + system, rssBytes: process.memoryUsage.rss() };
}

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

let current = {};
try {
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.work) {
      if (!kinds[order.work.kind]) throw new Error(`unknown work ${order.work.kind}`);
      current = await kinds[order.work.kind](order.work);
      say({ ready: true });
    } else if (order.go) {
      say({ result: await measured(current.run) });
    } else if (order.end) {
      await current.end?.();
      say({ ended: true });
    } else {
      throw new Error(`cannot follow ${line}`);
    }
  }
  for (const queue of queues.values()) await queue.close();
} catch (error) {
  say({ error: String(error?.stack ?? error) });
  process.exit(1);
}
