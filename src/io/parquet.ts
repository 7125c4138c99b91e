import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import { InputError, reason } from '../errors.js';

/** Most bytes of JSON lines that the rows of one file may make, and the longest time that reading one may take. */
const MOST = 1 << 30,
  SECONDS = 600;

/**
 * Runs in a thread of its own, where the reader, whose functions are asynchronous, may take its time: rows as JSON
 * lines. Whole numbers beyond 2^53 become text, dates too; bytes are read as UTF-8.
 */
const SOURCE = `
const { workerData } = require('node:worker_threads'), zlib = require('node:zlib'), fs = require('node:fs');
const plain = (k, v) =>
  typeof v === 'bigint' ? (BigInt.asIntN(54, v) === v ? Number(v) : String(v))
  : v instanceof Uint8Array ? new TextDecoder('utf-8', { fatal: true }).decode(v)
  : ArrayBuffer.isView(v) ? Array.from(v)
  : v;
(async () => {
  const answer = {};
  try {
    const { parquetMetadataAsync, parquetReadObjects } = await import(workerData.reader),
      bytes = fs.readFileSync(workerData.file),
      file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
      metadata = await parquetMetadataAsync(file),
      compressors = { GZIP: (b) => zlib.gunzipSync(b), BROTLI: (b) => zlib.brotliDecompressSync(b) };
    if (zlib.zstdDecompressSync) compressors.ZSTD = (b) => zlib.zstdDecompressSync(b);
    const parts = [];
    let from = 0, length = 0;
    for (const group of metadata.row_groups) {
      const to = from + Number(group.num_rows);
      const rows = await parquetReadObjects({ file, metadata, rowStart: from, rowEnd: to, compressors });
      for (const r of rows) {
        const line = Buffer.from(JSON.stringify(r, plain) + '\\n');
        length += line.length;
        if (length > workerData.most) throw new Error('its rows are more than ' + workerData.most + ' bytes');
        parts.push(line);
      }
      from = to;
    }
    answer.lines = new Uint8Array(Buffer.concat(parts));
  } catch (e) {
    answer.error = String(e && e.message || e);
  }
  workerData.port.postMessage(answer);
  Atomics.store(workerData.done, 0, 1);
  Atomics.notify(workerData.done, 0);
})();
`;

/** Rows of a Parquet file as JSON lines. Throws InputError. */
export function parquetLines(file: string): Uint8Array {
  let reader: string;
  try {
    reader = pathToFileURL(createRequire(import.meta.url).resolve('hyparquet')).href;
  } catch (e) {
    throw new InputError(file, [`is a Parquet file, and its reader is not installed: ${reason(e)}`], 'npm install hyparquet');
  }
  const { port1, port2 } = new MessageChannel(),
    done = new Int32Array(new SharedArrayBuffer(4)),
    worker = new Worker(SOURCE, {
      eval: true,
      workerData: { reader, file, most: MOST, port: port2, done },
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: 4096 },
      execArgv: [],
      env: {},
    });
  try {
    Atomics.wait(done, 0, 0, 1000 * SECONDS);
    const answer = receiveMessageOnPort(port1)?.message as { lines?: Uint8Array; error?: string } | undefined;
    if (answer?.lines) return answer.lines;
    throw new InputError(
      file,
      [`is a Parquet file that cannot be read: ${answer?.error ?? `it took longer than ${SECONDS} seconds or too much memory`}`],
      'write its rows as JSON lines',
    );
  } finally {
    port1.close();
    void worker.terminate();
  }
}
