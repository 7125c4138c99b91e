/*
 * A look at the queues of a farm with bull-board: read-only, on this machine's own address, behind a password. It is an
 * example: Certune depends on none of these packages.
 *
 *     npm install @bull-board/api @bull-board/express express bullmq ioredis
 *     MANIFEST=sha256:... BOARD_PASSWORD=... node board.mjs rediss://one.example.org:6379
 *
 * User, password and authority of Redis are those of farm.env. The page is at http://127.0.0.1:3000, user farm.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';

const { MANIFEST, BOARD_PASSWORD, BOARD_PORT = '3000' } = process.env,
  { CERTUNE_REDIS_USER: username, CERTUNE_REDIS_PASSWORD: password, CERTUNE_REDIS_CA: ca } = process.env,
  url = process.argv[2] ?? 'redis://127.0.0.1:6379';
if (!/^sha256:[0-9a-f]{64}$/.test(MANIFEST ?? '')) throw new Error('MANIFEST: the digest that certune commit has printed');
if (!BOARD_PASSWORD) throw new Error('BOARD_PASSWORD: what whoever looks has to know');

const connection = new Redis(url, {
    maxRetriesPerRequest: null,
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(ca && url.startsWith('rediss:') ? { tls: { ca: readFileSync(ca) } } : {}),
  }),
  prefix = `certune-${MANIFEST.slice(7, 23)}`,
  names = ['end', 'certify', 'fold', 'segment'].flatMap((kind) => ['s', 'm', 'l'].map((memory) => `${kind}-${memory}`)),
  // Whoever looks writes nothing: neither what a queue is, nor anything that the page has a button for.
  queues = names.map((n) => new BullMQAdapter(new Queue(n, { connection, prefix, skipMetasUpdate: true }), { readOnlyMode: true })),
  server = new ExpressAdapter();
createBullBoard({ queues, serverAdapter: server });

const digest = (text) => createHash('sha256').update(text).digest(),
  want = digest(`Basic ${Buffer.from(`farm:${BOARD_PASSWORD}`).toString('base64')}`);
express()
  .use((req, res, next) => {
    if (timingSafeEqual(digest(req.headers.authorization ?? ''), want)) next();
    else res.set('www-authenticate', 'Basic realm="farm"').sendStatus(401);
  })
  .use((req, res, next) => (req.method === 'GET' ? next() : res.sendStatus(405)))
  .use('/', server.getRouter())
  .listen(Number(BOARD_PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${BOARD_PORT}`));
