// The program: its functions (lab.h) as methods. It runs in the worker.
import {Files} from './files.js';

const OK = 0, INTERRUPTED = -3;

// What the program says is wrong: messages as it prints them, with their lines and columns.
export class ProgramError extends Error {
    constructor(messages) {
        super(messages.map(message => message.text).join(''));
        this.messages = messages;
    }
}

export class Engine {
    // onEvent(kind, text, numbers): returns whether training is to stop.
    static async start(program, onEvent) {
        const engine = new Engine();
        const memory = () => engine.memory;
        const event = (kind, text, numbers) =>
            onEvent(kind, text ? engine.textAt(text) : '', [...new Float64Array(engine.memory.buffer, numbers, 14)]) ? 1 : 0;
        Object.assign(engine, {files: new Files(), given: []});
        const {instance} = await WebAssembly.instantiate(program, {
            wasi_snapshot_preview1: engine.files.imports(memory),
            lab: {event},
        });
        engine.memory = instance.exports.memory;
        engine.functions = instance.exports;
        engine.functions._initialize();
        return engine;
    }

    textAt(at) {
        const bytes = new Uint8Array(this.memory.buffer, at);
        return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
    }

    // Calls a function with arguments in the program's memory, which it loses afterwards. Numbers
    // go as they are; texts and arrays become pointers. Returns what the function printed.
    call(name, ...args) {
        const taken = [];
        const place = value => {
            if (typeof value === 'number')
                return value;
            if (value === null)
                return 0;
            if (typeof value === 'string')
                value = new TextEncoder().encode(value + '\0');
            const at = this.functions.lab_allocate(value.byteLength + 16);
            new Uint8Array(this.memory.buffer, at, value.byteLength)
                .set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
            taken.push([at, value]);
            return at;
        };
        const status = this.functions[name](...args.map(place));
        const text = this.files.takePrinted();
        for (const [at, value] of taken) {
            if (value instanceof Float32Array)
                value.set(new Float32Array(this.memory.buffer, at, value.length));
            this.functions.lab_release(at);
        }
        if (status !== OK && status !== INTERRUPTED)
            throw new ProgramError(text ? JSON.parse(text) : [{text: `${name}: status ${status}\n`, line: 0, column: 0}]);
        this.interrupted = status === INTERRUPTED;
        return text;
    }

    // ---- The model ----

    open(bytes, name) {
        this.call('lab_open', bytes, bytes.length, name);
        this.model = JSON.parse(this.call('lab_summary'));
        this.model.layers.forEach(layer => { layer.count = layer.output.reduce((a, b) => a * b, 1); });
        return this.model;
    }

    describe() {
        return this.call('lab_describe');
    }

    check(text) {
        const bytes = new TextEncoder().encode(text);
        return JSON.parse(this.call('lab_check', bytes, bytes.length, 'description'));
    }

    tensor(i) {
        const values = new Float32Array(this.model.tensors[i].dims.reduce((a, b) => a * b, 1));
        this.call('lab_tensor_get', i, values);
        return values;
    }

    setTensor(i, values) {
        this.call('lab_tensor_set', i, values);
    }

    checkpoint() {
        this.files.clear('model.safetensors');
        this.call('lab_write', 'model.safetensors');
        return this.files.read('model.safetensors');
    }

    // ---- One picture ----

    pixels(rgba, width, height) {
        const image = new Float32Array(this.model.input.reduce((a, b) => a * b, 1));
        this.call('lab_pixels', rgba, width, height, image);
        return image;
    }

    run(image) {
        const probabilities = new Float32Array(this.model.classes.length);
        this.call('lab_run', image, probabilities);
        return probabilities;
    }

    // The values of all layers, in one array, one layer after another.
    activations(image) {
        const layers = this.model.layers, total = layers.reduce((sum, layer) => sum + layer.count, 0);
        const at = this.functions.lab_allocate(4 * total + 4 * layers.length);
        const pointers = new Uint32Array(layers.length);
        let next = at;
        layers.forEach((layer, i) => {
            pointers[i] = next;
            next += 4 * layer.count;
        });
        try {
            this.call('lab_activations', image, pointers, layers.length);
            return new Float32Array(this.memory.buffer, at, total).slice();
        } finally {
            this.functions.lab_release(at);
        }
    }

    explain(image, layer, place, input = -1) {
        return this.call('lab_explain', image, layer, new Uint32Array(place), input);
    }

    // A step of training by hand: {loss, next, places: [{value, gradient, updated}], text}.
    gradient(image, label, places) {
        const numbers = new Float32Array(2 + 3 * places.length);
        const texts = places.map(place => this.keep(new TextEncoder().encode(place + '\0')));
        try {
            const text = this.call('lab_gradient', image, label, new Uint32Array(texts), places.length, numbers);
            const [loss, next, ...rest] = numbers;
            return {loss, next, text, places: places.map((place, i) => {
                const [value, gradient, updated] = rest.slice(3 * i, 3 * i + 3);
                return {place, value, gradient, updated};
            })};
        } finally {
            texts.forEach(at => this.functions.lab_release(at));
        }
    }

    // The files of a picture of `cnn visualize`: {name: bytes}.
    visualize(image, kind, className) {
        this.files.write('input.npy', npyBytes(image, this.model.input));
        this.files.clear('pictures');
        this.call('lab_visualize', 'input.npy', 'pictures', kind, className);
        return this.files.names('pictures').map(name => [name, this.files.read(name)]);
    }

    // ---- Training ----

    // Sets up a run. What it was given stays in the program's memory until the next one has begun.
    begin(config, directory, weights, overrides) {
        const given = [], before = this.given;
        const keep = array => given[given.push(this.keep(array)) - 1];
        const text = value => (value ? keep(new TextEncoder().encode(value + '\0')) : 0);
        this.given = given;
        try {
            this.call('lab_train_begin', text(config), text(directory), text(weights), keep(new Uint32Array(overrides.map(text))), overrides.length);
        } finally {
            before.forEach(at => this.functions.lab_release(at));
        }
    }

    // Trains until the run ends or an event stops it; returns whether it was stopped.
    train() {
        this.call('lab_train');
        return this.interrupted;
    }

    // A run from inside, from its checkpoint: {input, layers, samples: [{class, answer, right,
    // probability, image}], values: of all layers for the first sample}.
    watch(bytes, data) {
        const seen = JSON.parse(this.call('lab_watch', bytes, bytes.length, data)), count = shape => shape.reduce((a, b) => a * b, 1);
        const fill = (name, i, size) => {
            const values = new Float32Array(size);
            this.call(name, i, values);
            return values;
        };
        seen.samples.forEach((sample, i) => { sample.image = fill('lab_watched_image', i, count(seen.input)); });
        seen.layers.forEach(layer => { layer.count = count(layer.output); });
        seen.values = Float32Array.from(seen.layers.flatMap((layer, i) => [...fill('lab_watched_values', i, layer.count)]));
        return seen;
    }

    // Copies an array into the program's memory.
    keep(array) {
        const at = this.functions.lab_allocate(array.byteLength + 16);
        new Uint8Array(this.memory.buffer, at, array.byteLength)
            .set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
        return at;
    }
}

// Numbers as a .npy file (version 1.0).
export function npyBytes(values, shape) {
    let header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
    header = header.padEnd(117) + '\n';
    const bytes = new Uint8Array(128 + 4 * values.length);
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
    bytes.set(new TextEncoder().encode(header), 10);
    bytes.set(new Uint8Array(new Float32Array(values).buffer), 128);
    return bytes;
}
