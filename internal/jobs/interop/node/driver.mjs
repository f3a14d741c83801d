// A BullMQ client that a Go test steers: one JSON object a line, both ways.
//
//   in   {"id":1,"op":"new","major":6,"kind":"Queue","as":"q","args":["mail",{…}]}
//        {"id":2,"op":"call","on":"q","method":"add","args":["hello",{"a":1},{}]}
//        {"id":3,"op":"job","on":"q","job":"1","method":"getState","args":[]}
//   out  {"id":1}  {"id":2,"value":{…}}  {"id":3,"error":{"message":…,"code":-3}}
//        {"on":"w","event":"completed","args":[…]}     whatever an object emits
//
// In arguments {"$ref":"q"} stands for the object named q. Workers choose what to
// do by the name of the job, see behaviours. The process ends when its standard
// input does.
import { createInterface } from 'node:readline';

const objects = new Map();
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');

// What a job becomes on the wire: the fields that a user of BullMQ reads.
const jobFields = [
  'id', 'name', 'data', 'opts', 'progress', 'returnvalue', 'failedReason', 'stacktrace', 'attemptsMade',
  'attemptsStarted', 'stalledCounter', 'timestamp', 'processedOn', 'finishedOn', 'delay', 'priority', 'parentKey',
  'parent', 'processedBy', 'deduplicationId', 'repeatJobKey', 'deferredFailure', 'queueQualifiedName',
];

function plain(value) {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object') return value;
  if (typeof value.toJSON === 'function' && 'queueQualifiedName' in value) {
    return Object.fromEntries(jobFields.filter((f) => value[f] !== undefined).map((f) => [f, value[f]]));
  }
  if (value instanceof Error) return { message: value.message, name: value.name };
  if (Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  }
  return null;
}

function resolve(arg) {
  if (Array.isArray(arg)) return arg.map(resolve);
  if (arg === null || typeof arg !== 'object') return arg;
  if ('$ref' in arg) return objects.get(arg.$ref).it;
  if ('$cluster' in arg) return objects.get(arg.$cluster).it.cluster;
  return Object.fromEntries(Object.entries(arg).map(([k, v]) => [k, resolve(v)]));
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// behaviours are what jobs do, by their names. goside_test.go has the same ones.
function behavioursFor(holder, m) {
  return {
    echo: async (job) => job.data,
    nothing: async () => {},
    sleep: async (job) => {
      await sleep(job.data.ms);
      return job.data;
    },
    // fails the first data.times attempts
    fail: async (job) => {
      if (job.attemptsMade < (job.data.times ?? Infinity)) throw new Error(job.data.reason ?? `boom ${job.attemptsMade}`);
      return job.attemptsMade;
    },
    hopeless: async () => {
      throw new m.UnrecoverableError('hopeless');
    },
    progress: async (job) => {
      await job.updateProgress(42);
      await job.updateProgress({ pct: 50 });
      for (const line of ['one', 'two', 'three', 'four']) await job.log(line);
    },
    // until the test lets go, and never without
    hold: (job) => {
      say({ on: holder.as, event: 'holding', args: [job.id] });
      return new Promise((done) => holder.held.push(() => done(job.data)));
    },
  };
}

const modules = { 5: () => import('bullmq5'), 6: () => import('bullmq') };

// Every object is an EventEmitter; without a listener an error would end us.
const told = [
  'active', 'completed', 'failed', 'stalled', 'error', 'waiting', 'added', 'delayed', 'progress', 'removed', 'drained',
  'duplicated', 'deduplicated', 'debounced', 'retries-exhausted', 'paused', 'resumed', 'cleaned', 'waiting-children',
  'lockRenewalFailed',
];

async function create({ major, kind, as, args, tell }) {
  const m = await modules[major]();
  const holder = { as, held: [] };
  const given = resolve(args);
  if (kind === 'Worker') {
    const behaviours = behavioursFor(holder, m);
    given.splice(1, 0, (job) => (behaviours[job.name] ?? behaviours.echo)(job));
  }
  holder.it = new m[kind](...given);
  objects.set(as, holder);
  for (const event of told) {
    if (!tell && event !== 'error') continue;
    holder.it.on(event, (...values) => say({ on: as, event, args: values.map(plain) }));
  }
  if (holder.it.waitUntilReady) await holder.it.waitUntilReady();
}

// The server half of Bull Board: it keeps the routes and calls them by hand.
class Board {
  routes = new Map();
  setQueues(queues) { this.queues = queues; return this; }
  setViewsPath() { return this; }
  setStaticPath() { return this; }
  setUIConfig() { return this; }
  setEntryRoute() { return this; }
  setErrorHandler() { return this; }
  setApiRoutes(routes) {
    for (const route of routes) {
      for (const method of [route.method].flat()) {
        for (const path of [route.route].flat()) this.routes.set(`${method} ${path}`, route.handler);
      }
    }
    return this;
  }
  async request(route, params = {}, query = {}, body = {}) {
    const handler = this.routes.get(route);
    if (!handler) throw new Error(`Bull Board has no route ${route}; it has ${[...this.routes.keys()].join(', ')}`);
    const { status = 200, body: answer } = await handler({ queues: this.queues, params, query, body, headers: {} });
    // What HTTP would carry.
    return JSON.parse(JSON.stringify({ status, body: answer ?? null }));
  }
}

async function createBoard({ as, args }) {
  const { createBullBoard } = await import('@bull-board/api');
  const { BullMQAdapter } = await import('@bull-board/api/bullMQAdapter');
  const board = new Board();
  const queues = resolve(args).map((queue) => new BullMQAdapter(queue));
  createBullBoard({ queues, serverAdapter: board, options: { uiBasePath: '.', validateResponses: true } });
  objects.set(as, { as, it: board, held: [] });
}

async function createCluster({ as, args }) {
  const { Cluster } = await import('ioredis');
  const it = new Cluster(args, { redisOptions: { maxRetriesPerRequest: null } });
  it.on('error', (error) => say({ on: as, event: 'error', args: [plain(error)] }));
  objects.set(as, { as, it: { cluster: it, quit: () => it.quit() }, held: [] });
}

const letGo = (holder) => holder.held.splice(0).forEach((done) => done());

const operations = {
  new: create,
  board: createBoard,
  cluster: createCluster,
  async call({ on, method, args }) {
    return objects.get(on).it[method](...resolve(args));
  },
  async job({ on, job: id, method, args }) {
    const job = await objects.get(on).it.getJob(id);
    if (!job) throw new Error(`there is no job ${id}`);
    return method ? job[method](...resolve(args)) : job;
  },
  release({ on }) {
    letGo(objects.get(on));
  },
  async close({ on, args }) {
    const holder = objects.get(on);
    objects.delete(on);
    letGo(holder);
    await (holder.it.close ?? holder.it.quit)?.apply(holder.it, args);
  },
};

async function serve(line) {
  const request = JSON.parse(line);
  try {
    say({ id: request.id, value: plain(await operations[request.op](request)) });
  } catch (error) {
    say({ id: request.id, error: { message: String(error?.message ?? error), name: error?.name, code: error?.code } });
  }
}

createInterface({ input: process.stdin }).on('line', serve).on('close', () => process.exit(0));
say({ event: 'ready' });
