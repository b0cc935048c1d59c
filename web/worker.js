// The worker: it owns the program, answers the page, and trains. Training runs in slices, so that
// messages of the page are read between them.
import {Engine, ProgramError} from './engine.js';

const SLICE = 300; // milliseconds of training without a look at the page's messages
const WATCH = 1000; // milliseconds of training without a look at the network that learns
const STEP = 1, EPOCH = 3, WARNING = 5; // kinds of events, as in cnn.h
const NUMBERS = ['step', 'steps', 'epoch', 'epochs', 'stepInEpoch', 'stepsInEpoch', 'loss', 'accuracy',
    'valLoss', 'valAccuracy', 'rate', 'speed', 'trainImages', 'valImages'];

let engine = null, image = null, original = null;
const run = {paused: false, single: false, deadline: 0, told: 0, watched: 0, generation: 0};

function onEvent(kind, text, numbers) {
    const now = performance.now();
    const event = Object.fromEntries(NUMBERS.map((name, i) => [name, numbers[i]]));
    if (kind === WARNING)
        postMessage({event: {kind: 'warning', text}});
    else if (kind === EPOCH)
        postMessage({event: {kind: 'epoch', ...event}});
    if (kind !== STEP)
        return false;
    const stop = run.single || now > run.deadline;
    if (stop || now - run.told > 100) {
        postMessage({event: {kind: 'step', ...event}});
        run.told = now;
    }
    return stop;
}

function textFile(name) {
    const bytes = engine.files.read(name);
    return bytes ? new TextDecoder().decode(bytes) : '';
}

// After each slice: what the layers' panels show.
function tellState(last) {
    const bytes = engine.files.read('run/last.safetensors'), now = performance.now();
    const due = bytes && (last || run.paused || now - run.watched > WATCH);
    if (due)
        run.watched = now;
    postMessage({event: {kind: 'state', last, health: textFile('run/health.csv'), bytes, weights: bytes && rangesOf(bytes), seen: due ? watch(bytes) : null}});
}

// Networks that take no pictures, and data that is gone, have nothing to be seen.
function watch(bytes) {
    try {
        return engine.watch(bytes, 'description.yaml');
    } catch {
        return null;
    }
}

const pause = () => new Promise(resolve => setTimeout(resolve, 0));

async function trainOn() {
    const generation = ++run.generation;
    try {
        let stopped = true;
        while (stopped && generation === run.generation && !run.paused) {
            run.deadline = performance.now() + SLICE;
            stopped = engine.train();
            if (run.single)
                run.paused = true;
            run.single = false;
            tellState(!stopped);
            await pause();
        }
        if (!stopped)
            postMessage({event: {kind: 'end'}});
    } catch (error) {
        await pause(); // the page hears first that the run goes on
        postMessage({event: {kind: 'failed', text: error.message}});
    }
}

// config null: the run goes on. weights: bytes of a checkpoint to start from, or null.
function begin(config, weights, overrides) {
    run.generation++;
    if (config) {
        engine.functions.lab_forget();
        engine.files.clear('run');
        engine.files.write('description.yaml', new TextEncoder().encode(config));
    }
    if (weights)
        engine.files.write('start.safetensors', weights);
    engine.begin(config ? 'description.yaml' : null, 'run', weights ? 'start.safetensors' : null, overrides);
    if (!run.paused)
        trainOn();
}

// The parameters in a checkpoint: {name: {dims, values}}.
function tensorsOf(bytes) {
    const size = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
    return Object.fromEntries(Object.entries(header).filter(([name, {dtype}]) => !/^[@_]/.test(name) && dtype === 'F32').map(([name, {shape, data_offsets: [from, to]}]) =>
        [name, {dims: shape, values: new Float32Array(bytes.slice(8 + size + from, 8 + size + to).buffer)}]));
}

// By layer: the smallest and the largest number of its weight.
function rangesOf(bytes) {
    return Object.fromEntries(Object.entries(tensorsOf(bytes)).filter(([name]) => name.endsWith('.weight')).map(([name, {values}]) =>
        [name.slice(0, -'.weight'.length), [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)]]));
}

// The first weight of four dimensions in a checkpoint: {dims, values}; null if there is none.
function firstKernels(bytes) {
    const found = Object.entries(tensorsOf(bytes)).find(([name, {dims}]) => name.endsWith('.weight') && dims.length === 4);
    return found ? found[1] : null;
}

const methods = {
    async start(program) {
        const unpacked = new Blob([program]).stream().pipeThrough(new DecompressionStream('gzip'));
        engine = await Engine.start(await new Response(unpacked).arrayBuffer(), onEvent);
    },
    open(bytes) {
        const model = engine.open(bytes, 'model');
        image = null;
        original = null;
        return {...model, description: engine.describe()};
    },
    check: text => engine.check(text),
    writeFiles(files) {
        for (const [name, bytes] of files)
            engine.files.write(name, bytes);
    },
    // Pixels as the network's input.
    prepare: (rgba, width, height) => engine.pixels(rgba, width, height),
    // Everything that Look shows of an input.
    look(values) {
        image = values;
        const area = values.length;
        return {image: values.slice(0, area), probabilities: engine.run(image), values: engine.activations(image)};
    },
    predict(values) {
        image = values;
        return engine.run(values);
    },
    explain(layer, place, input) {
        return engine.explain(image, layer, place, input);
    },
    gradient: (label, places) => engine.gradient(image, label, places),
    tensor: i => engine.tensor(i),
    // Numbers of tensors are replaced: [[tensor, where the numbers begin, numbers]], all at once.
    patch(changes) {
        original = original || new Map();
        for (const [i, at, numbers] of changes) {
            const values = engine.tensor(i);
            if (!original.has(i))
                original.set(i, values.slice());
            values.set(numbers, at);
            engine.setTensor(i, values);
        }
    },
    restore() {
        for (const [i, values] of original || [])
            engine.setTensor(i, values);
        original = null;
    },
    visualize: (kind, className) => engine.visualize(image, kind, className),
    checkpoint: () => engine.checkpoint(),
    train(config, overrides) {
        run.paused = false;
        begin(config, null, overrides);
    },
    // With another batch size a new run starts from the weights that this one has reached.
    startAgain: (config, overrides) => begin(config, engine.files.read('run/last.safetensors'), overrides),
    pause() {
        run.paused = true;
    },
    goOn() {
        run.paused = false;
        trainOn();
    },
    step() {
        run.paused = false;
        run.single = true;
        trainOn();
    },
    // New settings: the run is set up again from its own state.
    change: overrides => begin(null, null, overrides),
    trained: () => engine.files.read('run/last.safetensors'),
    trainedKernels() {
        const bytes = engine.files.read('run/last.safetensors');
        return bytes && firstKernels(bytes);
    },
};

onmessage = async ({data: {id, method, values}}) => {
    try {
        postMessage({id, result: await methods[method](...values)});
    } catch (error) {
        const messages = error instanceof ProgramError ? error.messages : [];
        postMessage({id, error: {text: error.message, messages}});
    }
};
