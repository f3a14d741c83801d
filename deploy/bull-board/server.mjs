// Bull Board on the queues that QUEUES names. It reads the same Redis as our
// services and needs to know nothing of them: the queues are in BullMQ's format.
import { readFileSync } from 'node:fs'
import express from 'express'
import { Queue } from 'bullmq'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { ExpressAdapter } from '@bull-board/express'

const url = process.env.REDIS_URL_FILE
  ? readFileSync(process.env.REDIS_URL_FILE, 'utf8').trim()
  : process.env.REDIS_URL ?? 'redis://localhost:6379/0'
const prefix = process.env.QUEUE_PREFIX || 'bull'
const names = (process.env.QUEUES ?? 'email,export,report,email-report').split(',')
const port = Number(process.env.PORT ?? 3001)

const queues = names.map(name => new Queue(name.trim(), { connection: { url }, prefix }))
for (const queue of queues) {
  queue.on('error', error => console.error(`queue ${queue.name}: ${error.message}`))
}

const adapter = new ExpressAdapter()
createBullBoard({
  queues: queues.map(queue => new BullMQAdapter(queue)),
  serverAdapter: adapter,
  options: { uiConfig: { boardTitle: 'Tandem' } },
})

const app = express()
app.disable('x-powered-by')
app.get('/health', async (_, response) => {
  try {
    await queues[0].getJobCounts('waiting')
    response.send('ok\n')
  } catch (error) {
    response.status(503).send(`${error.message}\n`)
  }
})
app.use('/', adapter.getRouter())
const server = app.listen(port, () => console.error(`Bull Board listens on :${port}`))

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close()
    await Promise.allSettled(queues.map(queue => queue.close()))
    process.exit(0)
  })
}
