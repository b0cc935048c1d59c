// The page of `cnn lab` in a browser, beside TensorFlow.js with its WebAssembly backend and beside the terminal, one thread each. Times are those of the
// processor (all processes of the browser), so other load disturbs them little.
//   node bench/lab.mjs chromium|firefox CNN [TFJS [ROUNDS]]
// TFJS: a folder in which `npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm` was run. The engines take turns; a number is the median of the rounds.
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {Chromium} from '../tests/lab/chromium.mjs';
import {Firefox} from '../tests/lab/firefox.mjs';

const [, , which, cnn, tfjs, rounds = '5'] = process.argv, sources = new URL('..', import.meta.url).pathname, here = mkdtempSync(`${tmpdir()}/cnn-lab-`);
const BATCH = 64;

// A network: its description, how many pictures are run, how many steps warm up and are counted (all in one epoch), and its layers for TensorFlow.js.
const conv = (filters, kernelSize = 3, padding = 'same') => ['conv2d', {filters, kernelSize, padding, activation: 'relu'}];
const dense = (units, activation) => ['dense', {units, activation}], pool = ['maxPooling2d', {poolSize: 2}], flat = ['flatten', {}];
const NETWORKS = {
    lenet5: {config: 'lenet5', input: [28, 28, 1], pictures: 8000, data: '{dataset: mnist}', steps: [18, 12],
        layers: [conv(6, 5), pool, conv(16, 5, 'valid'), pool, flat, dense(120, 'relu'), dense(84, 'relu'), dense(10, 'softmax')]},
    seed_cifar10: {config: 'cifar10_seed', input: [32, 32, 3], pictures: 200, data: '{dataset: shapes, limit: 640}', steps: [3, 6],
        layers: [conv(32), conv(32), pool, conv(64), conv(64), conv(64), pool, conv(128), conv(128), conv(128), pool, flat, dense(10, 'softmax')]},
};

// Behind the page's own worker, in another one: what it is asked ends when it answers.
const WORKER = `{
let engine, seen = 0, limit = 0;
const image = () => Float32Array.from({length: engine.model.input.reduce((a, b) => a * b, 1)}, (none, i) => Math.sin(i));
const asked = {
    async open({program, model, mnist, text}) {
        const unpacked = new Blob([program]).stream().pipeThrough(new DecompressionStream('gzip'));
        engine = await Engine.start(await new Response(unpacked).arrayBuffer(), kind => (seen += kind === STEP, seen >= limit));
        engine.open(model, 'model');
        mnist.forEach(([name, bytes]) => engine.files.write('data/mnist/' + name, bytes));
        engine.files.write('description.yaml', new TextEncoder().encode(text));
        engine.begin('description.yaml', 'run', null, []);
    },
    run(count) {
        const input = image();
        for (let i = 0; i < count; i++)
            engine.run(input);
    },
    train(steps) {
        limit = seen + steps;
        engine.train();
    },
};
onmessage = async ({data: [name, value]}) => postMessage(await asked[name](value));
}`;

const OPEN = text => `(async () => {
    const find = id => document.getElementById(id).textContent, bytesOf = base64 => Uint8Array.from(atob(base64.trim()), letter => letter.charCodeAt(0));
    const worker = new Worker(URL.createObjectURL(new Blob([find('worker') + ${JSON.stringify(WORKER)}])));
    window.asked = (name, value) => new Promise((resolve, reject) => { worker.onmessage = ({data}) => resolve(data); worker.onerror = error => reject(new Error(error.message)); worker.postMessage([name, value]); });
    await asked('open', {program: bytesOf(find('program')), model: bytesOf(JSON.parse(find('model')).file), text: ${JSON.stringify(text)},
        mnist: find('mnist').trim().split('\\n').map(line => line.split(' ')).map(([name, bytes]) => [name, bytesOf(bytes)])});
})()`;

const OPEN_TFJS = ({input, layers}) => `(async () => {
    await tf.setBackend('wasm');
    const model = tf.sequential(), image = tf.randomNormal([1, ...${JSON.stringify(input)}]);
    ${JSON.stringify(layers)}.forEach(([kind, settings], i) => model.add(tf.layers[kind]({...settings, ...(i ? {} : {inputShape: ${JSON.stringify(input)}})})));
    model.compile({optimizer: tf.train.momentum(0.001, 0.9), loss: 'categoricalCrossentropy'});
    const images = tf.randomNormal([${BATCH}, ...${JSON.stringify(input)}]), labels = tf.oneHot(tf.randomUniform([${BATCH}], 0, 10, 'int32'), 10);
    window.asked = async (name, count) => {
        for (let i = 0; i < count; i++)
            if (name === 'run')
                tf.tidy(() => model.predict(image).dataSync());
            else
                await model.trainOnBatch(images, labels);
    };
    return tf.getBackend() + ' with ' + tf.wasm.getThreadsCount() + ' thread';
})()`;

function writePageOfTfjs() {
    const modules = `${tfjs}/node_modules/@tensorflow`, wasm = readFileSync(`${modules}/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm`).toString('base64');
    writeFileSync(`${here}/tfjs.html`, `<!DOCTYPE html><html data-state="loading"><script src="file://${modules}/tfjs/dist/tf.min.js"></script>
<script src="file://${modules}/tfjs-backend-wasm/dist/tf-backend-wasm.min.js"></script>
<script>const one = 'data:application/wasm;base64,${wasm}';
tf.wasm.setWasmPaths({'tfjs-backend-wasm.wasm': one, 'tfjs-backend-wasm-simd.wasm': one, 'tfjs-backend-wasm-threaded-simd.wasm': one});
document.documentElement.dataset.state = 'ready';</script></html>`);
}

const browser = new (which === 'firefox' ? Firefox : Chromium)(), found = {};
const keep = (what, value) => {
    console.log(`# ${what}: ${value.toPrecision(4)}`);
    (found[what] ??= []).push(value);
};
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

// Seconds of the processor that an expression takes in the page.
async function cost(expression) {
    const before = browser.seconds();
    await browser.evaluate(expression);
    return browser.seconds() - before;
}

async function measure(name, engine, {pictures, steps: [warm, counted]}) {
    await cost(`asked('run', ${pictures >> 2})`);
    keep(`${name}: ms a picture, ${engine}`, 1000 * await cost(`asked('run', ${pictures})`) / pictures);
    try {
        await cost(`asked('train', ${warm})`);
        keep(`${name}: images/s in training, ${engine}`, BATCH * counted / await cost(`asked('train', ${counted})`));
    } catch (error) {
        found[`${name}: no training, ${engine}: ${error.message.split('\n')[0]}`] = [];
    }
}

async function measurePage(name, network) {
    const begun = Date.now(), before = browser.seconds();
    await browser.open(`${here}/${name}.html`);
    keep(`${name}: s until the page shows its first picture`, (Date.now() - begun) / 1000);
    keep(`${name}: s of the processor until then`, browser.seconds() - before);
    // predict() shows everything that Look has, and runs the network once more.
    const look = count => `(async () => { const picture = new ImageData(28, 28); for (let i = 0; i < ${count}; i++) { picture.data.fill(5 * i % 256); await cnnLab.predict(picture); } })()`;
    await cost(look(20));
    keep(`${name}: ms a picture in Look, all maps drawn`, 1000 * await cost(look(60)) / 60);
    await browser.evaluate(OPEN(textOf(network)));
    await measure(name, 'page', network);
}

// The layers of the description; trained in a way that needs no download.
function textOf({config, data}) {
    return readFileSync(`${sources}/configs/${config}.yaml`, 'utf8').replace(/^(loss|data|train):[^]*/m, '') + `loss: cross_entropy\ndata: ${data}\n` +
        `train: {epochs: 100, batch_size: ${BATCH}, optimizer: {type: sgd, lr: 0.001, momentum: 0.9}}\n`;
}

// A second run, which goes on for longer, shows what a picture costs without what both do once.
function measureTerminal(name, network) {
    writeFileSync(`${here}/${name}.yaml`, textOf(network));
    const bench = (cpu, seconds, ...words) => {
        const {stdout, stderr} = spawnSync('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$0" bench "$@" --threads 1 --json', cnn, ...words, '--seconds', seconds],
            {encoding: 'utf8', env: {...process.env, LC_ALL: 'C', ...(cpu ? {CNN_CPU: cpu} : {})}});
        const {batch, runs, kernels} = JSON.parse(stdout);
        return {images: batch * runs, kernels, seconds: stderr.trim().split(/\s/).slice(-2).reduce((a, b) => a + Number(b), 0)};
    };
    const slope = (cpu, longer, ...words) => {
        const [less, more] = ['1', longer].map(seconds => bench(cpu, seconds, ...words));
        return {each: (more.seconds - less.seconds) / (more.images - less.images), kernels: more.kernels};
    };
    for (const cpu of ['sse2', '']) {
        const one = slope(cpu, '5', `${sources}/models/${name}.safetensors`, '--infer', '--batch', '1');
        keep(`${name}: ms a picture, terminal, ${one.kernels}`, 1000 * one.each);
        keep(`${name}: images/s in training, terminal, ${one.kernels}`, 1 / slope(cpu, '20', `${here}/${name}.yaml`).each);
    }
}

process.on('exit', () => {
    browser.stop();
    rmSync(here, {recursive: true, force: true});
});
process.on('SIGTERM', () => process.exit(1));
await browser.start(`${here}/profile`);
if (tfjs)
    writePageOfTfjs();
for (const name of Object.keys(NETWORKS)) {
    execFileSync(cnn, ['lab', `${sources}/models/${name}.safetensors`, '-o', `${here}/${name}.html`]);
    keep(`${name}: bytes of the page`, statSync(`${here}/${name}.html`).size);
}
for (let i = 0; i < Number(rounds); i++)
    for (const [name, network] of Object.entries(NETWORKS)) {
        await measurePage(name, network);
        if (tfjs) {
            await browser.open(`${here}/tfjs.html`);
            await measure(name, `TensorFlow.js, ${await browser.evaluate(OPEN_TFJS(network))}`, network);
        }
        measureTerminal(name, network);
    }
for (const [what, values] of Object.entries(found))
    console.log(values.length ? `${what}: ${median(values).toPrecision(4)} (${values.map(value => value.toPrecision(3)).join(' ')})` : what);
process.exit(0);
