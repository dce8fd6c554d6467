// No-op jobs through BullMQ: `node bullmq_peer.mjs N CONCURRENCY PORT`, in the folder where it is installed.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const { Queue, Worker } = createRequire(pathToFileURL(process.cwd() + '/'))('bullmq')
const [n, concurrency, port] = process.argv.slice(2).map(Number)
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
const queue = new Queue('bench', { connection })
let began = performance.now()
for (let first = 0; first < n; first += 1000) {
  await queue.addBulk(Array.from({ length: Math.min(1000, n - first) }, () => ({ name: 'noop', data: {} })))
}
const enqueue = (n * 1000) / (performance.now() - began)
let done = 0
began = performance.now()
const worker = new Worker('bench', async () => {}, { connection, concurrency })
await new Promise((resolve) => worker.on('completed', () => { if (++done === n) resolve() }))
console.log(JSON.stringify({ enqueue, run: (n * 1000) / (performance.now() - began) }))
await worker.close()
await queue.close()
process.exit(0)
