// Times inference in ONNX Runtime on random images; prints one JSON object. Run by compare.sh, which sets NODE_PATH to where onnxruntime-node is.
//   node ort_bench.js MODEL.onnx CHANNELS HEIGHT WIDTH BATCH THREADS SECONDS
//   node ort_bench.js                    prints the version
'use strict';
const ort = require('onnxruntime-node');

const WARM_RUNS = 5;
const MIN_RUNS = 5;

async function bench(file, numbers) {
  const [channels, height, width, batch, threads, seconds] = numbers;
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1 });
  const values = Float32Array.from({ length: batch * channels * height * width }, () => Math.random() - 0.5);
  const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', values, [batch, channels, height, width]) };
  for (let i = 0; i < WARM_RUNS; i++) await session.run(feeds);
  const times = [];
  const end = performance.now() + seconds * 1e3;
  while (times.length < MIN_RUNS || performance.now() < end) {
    const begun = performance.now();
    await session.run(feeds);
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  const ms = times[times.length >> 1];
  return { what: 'infer', batch, threads, ms, images_per_s: (batch / ms) * 1e3, runs: times.length,
    process_bytes: process.resourceUsage().maxRSS * 1024 };
}

const [file, ...numbers] = process.argv.slice(2);
if (!file) console.log(require('onnxruntime-node/package.json').version);
else bench(file, numbers.map(Number)).then((result) => console.log(JSON.stringify(result)));
