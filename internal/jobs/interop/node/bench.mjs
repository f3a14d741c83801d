// What BullMQ does on the same server as `go test -bench . ./internal/jobs/...`,
// in the same units:
//
//   node bench.mjs redis://127.0.0.1:6379 [jobs]
//
// It empties the database that the URL names.
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const [url = "redis://127.0.0.1:6379", count = "20000"] = process.argv.slice(2);
const jobs = Number(count);
const connection = { url, maxRetriesPerRequest: null };
const probe = new Redis(url);

const field = (info, name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)[1]);

// cost is what Redis has spent so far: seconds of CPU, and commands.
async function cost() {
  const [cpu, stats] = [await probe.info("cpu"), await probe.info("commandstats")];
  const calls = [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, m) => sum + Number(m[1]), 0);
  return { cpu: field(cpu, "used_cpu_user") + field(cpu, "used_cpu_sys"), calls };
}

async function measure(name, run) {
  const before = await cost();
  const started = process.hrtime.bigint();
  await run();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const after = await cost();
  const perJob = (n) => (n / jobs).toFixed(2);
  console.log(
    `${name.padEnd(22)} ${(jobs / seconds).toFixed(0).padStart(8)} jobs/s` +
      ` ${perJob((after.cpu - before.cpu) * 1e6).padStart(8)} redis-µs/job` +
      ` ${perJob(after.calls - before.calls).padStart(6)} commands/job`,
  );
}

const data = { to: "ada@example.com", n: 1 };
const items = (n) => Array.from({ length: n }, () => ({ name: "send", data }));

async function fill(queue) {
  for (let left = jobs; left > 0; left -= 1000) await queue.addBulk(items(Math.min(1000, left)));
}

async function producers(queue, n) {
  let left = jobs;
  const one = async () => {
    while (left-- > 0) await queue.add("send", data);
  };
  await Promise.all(Array.from({ length: n }, one));
}

function drain(concurrency) {
  return new Promise((resolve, reject) => {
    let done = 0;
    const worker = new Worker("bench", async () => "ok", { connection, concurrency });
    worker.on("error", reject);
    worker.on("completed", () => {
      if (++done === jobs) worker.close().then(resolve, reject);
    });
  });
}

await probe.flushdb();
const queue = new Queue("bench", { connection });
await queue.waitUntilReady();
await measure("add, 1 producer", () => producers(queue, 1));
await probe.flushdb();
await measure("add, 50 producers", () => producers(queue, 50));
await probe.flushdb();
await measure("add bulk", () => fill(queue));
for (const concurrency of [1, 10, 100]) {
  await probe.flushdb();
  await fill(queue);
  await measure(`drain, concurrency ${concurrency}`, () => drain(concurrency));
}
await queue.close();
await probe.quit();
