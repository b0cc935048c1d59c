// Learn: the description, training, and what can be seen of it.
import {find, make, range, short} from './dom.js';
import {drawChart} from './chart.js';
import {Film} from './film.js';
import {Live} from './live.js';
import {say} from './words.js';

const LONGEST = 6000; // characters of a description that the address holds
const SETTINGS = {rate: 'train.optimizer.lr', momentum: 'train.optimizer.momentum', decay: 'train.optimizer.weight_decay', batch: 'train.batch_size'};
const OF_OPTIMIZER = ['rate', 'momentum', 'decay']; // what a run can go on with

export class LearnView {
    // ask: the worker's functions; openModel(bytes): makes a network that of the page.
    constructor(ask, openModel) {
        Object.assign(this, {ask, openModel, state: 'idle', turn: Promise.resolve(), film: new Film(), live: new Live()});
        this.reset();
        find('description').addEventListener('input', () => this.check());
        find('data').addEventListener('change', () => this.chooseData());
        find('data-files').addEventListener('change', event => this.takeFiles([...event.target.files]));
        find('train').addEventListener('click', () => this.train());
        find('pause').addEventListener('click', () => this.pauseOrGoOn());
        find('step').addEventListener('click', () => this.inTurn(() => this.turnTo('step', 'paused')));
        for (const id of OF_OPTIMIZER)
            find(id).addEventListener('change', () => this.changeSettings(() => this.ask('change', this.settings(OF_OPTIMIZER))));
        find('batch').addEventListener('change', () => this.changeSettings(() => this.changeBatch()));
        find('save').addEventListener('click', () => this.save());
        find('take').addEventListener('click', async () => this.openModel(await this.ask('trained')));
        find('load').addEventListener('change', async event => {
            const file = event.target.files[0];
            if (file)
                this.openModel(new Uint8Array(await file.arrayBuffer()));
        });
    }

    reset() {
        Object.assign(this, {loss: [], accuracy: [], speed: [], valLoss: [], valAccuracy: [], health: '', weights: {}, saved: null, runIsNewer: false});
        this.film.reset();
        this.live.reset();
    }

    setModel(model) {
        Object.assign(this, {model, runIsNewer: false});
        find('description').value = model.description;
        this.readSettings();
        this.check();
        this.showLayers();
        this.draw();
    }

    // ---- The description ----

    async check() {
        const text = find('description').value, mistakes = find('mistakes');
        try {
            const layers = await this.ask('check', text);
            find('shapes').textContent = layers.map(layer => [layer.name, layer.explanation, layer.warning].filter(Boolean).join('\n')).join('\n\n');
            mistakes.hidden = true;
        } catch (error) {
            mistakes.textContent = error.message;
            mistakes.hidden = false;
        }
        find('train').disabled = !mistakes.hidden;
    }

    // Data sets have images of one size and a number of classes: the description follows them.
    chooseData() {
        const name = find('data').value;
        if (!name)
            return;
        const area = find('description'), input = name === 'mnist' ? '[1, 28, 28]' : '[3, 32, 32]';
        let text = area.value.replace(/^data:.*\n((?:[ \t#].*\n?)*)/m, '');
        text = text.replace(/^input:.*\n((?:[ \t].*\n)*)/m, `input: ${input}\n`);
        area.value = text.trimEnd() + `\ndata: {dataset: ${name}, normalize: auto}\n`;
        if (!/^loss:/m.test(text))
            area.value += 'loss: cross_entropy\n';
        if (!/^train:/m.test(text))
            area.value += 'train:\n  epochs: 3\n  batch_size: 32\n  optimizer: {type: sgd, lr: 0.02, momentum: 0.9}\n';
        this.readSettings();
        this.check();
    }

    // The numbers of the description, for the fields. An empty one leaves it to the program: not every optimiser has each.
    readSettings() {
        const text = find('description').value;
        const value = key => (new RegExp(`\\b${key}: *([-+.\\deE]+)`).exec(text) || [0, ''])[1];
        this.described = Object.fromEntries(Object.entries(SETTINGS).map(([id, path]) => [id, value(path.split('.').at(-1))]));
        for (const [id, number] of Object.entries(this.described))
            find(id).value = number;
    }

    // For the address: what is not as in the model's description.
    get changes() {
        const text = find('description').value;
        return {text: text !== this.model.description && text.length < LONGEST ? text : '',
            ...Object.fromEntries(Object.keys(this.described).map(id => [id, find(id).value === this.described[id] ? '' : find(id).value]))};
    }

    restore(changes) {
        if (changes.text) {
            find('description').value = changes.text;
            this.readSettings();
            this.check();
        }
        for (const id of Object.keys(this.described))
            find(id).value = changes[id] || find(id).value;
    }

    settings(ids) {
        return ids.filter(id => find(id).value.trim()).map(id => `${SETTINGS[id]}=${find(id).value.trim()}`);
    }

    async takeFiles(files) {
        const folder = file => (/\.bin$/.test(file.name) ? 'data/cifar-10-batches-bin' : 'data/mnist');
        const read = async file => [`${folder(file)}/${file.name}`, new Uint8Array(await file.arrayBuffer())];
        await this.ask('writeFiles', await Promise.all(files.map(read)));
    }

    // ---- Training ----

    setState(state) {
        this.state = state;
        this.showState();
        find('take').disabled = !this.saved;
        document.documentElement.dataset.run = state;
        if (state === 'starting')
            find('progress').textContent = say('starting');
    }

    showState() {
        find('pause').disabled = find('step').disabled = this.state === 'idle' || this.state === 'starting';
        find('pause').textContent = this.state === 'paused' ? say('goOn') : say('pause');
    }

    // What is asked of a run, one after another: the worker answers only after a slice of training,
    // and until then the state is the one before.
    inTurn(work) {
        this.turn = this.turn.then(async () => {
            try {
                await work();
            } catch (error) {
                this.setState('idle');
                find('progress').textContent = error.message;
            }
        });
    }

    get isOpen() {
        return this.state === 'going' || this.state === 'paused';
    }

    // Steps that the run has told of.
    get steps() {
        return Math.max(0, ...[this.loss, this.valLoss].map(points => points.at(-1)?.[0] ?? 0));
    }

    train() {
        this.reset();
        this.setState('starting');
        this.text = find('description').value;
        this.inTurn(async () => {
            await this.ask('train', this.text, this.settings(Object.keys(SETTINGS)));
            this.setState('going');
        });
    }

    pauseOrGoOn() {
        this.inTurn(() => (this.state === 'paused' ? this.turnTo('goOn', 'going') : this.turnTo('pause', 'paused')));
    }

    // The run may have ended before, or in the meantime.
    async turnTo(method, state) {
        if (this.isOpen)
            await this.ask(method);
        if (this.isOpen)
            this.setState(state);
    }

    // A run has a number of steps, so another batch makes another run.
    async changeBatch() {
        this.reset();
        await this.ask('startAgain', this.text, this.settings(Object.keys(SETTINGS)));
        find('progress').textContent = say('newRun');
    }

    changeSettings(change) {
        if (!this.isOpen)
            return;
        find('pause').disabled = find('step').disabled = true;
        this.inTurn(async () => {
            const state = this.state, told = find('progress').textContent;
            if (!this.isOpen)
                return;
            this.setState('starting');
            await change();
            if (find('progress').textContent === say('starting'))
                find('progress').textContent = told;
            this.setState(state);
        });
    }

    // What the worker tells of a run.
    onEvent(event) {
        const done = {step: () => this.onStep(event), epoch: () => this.onEpoch(event), state: () => this.onState(event),
            end: () => this.onEnd(say('ended')), failed: () => this.onEnd(event.text)}[event.kind];
        if (done)
            done();
    }

    onStep(event) {
        find('progress').textContent = say('progress', event.epoch, event.epochs, event.step, event.steps);
        this.loss.push([event.step, event.loss]);
        this.accuracy.push([event.step, 100 * event.accuracy]);
        this.speed.push([event.step, event.speed]);
        this.draw();
    }

    onEpoch(event) {
        this.valLoss.push([event.step, event.valLoss]);
        this.valAccuracy.push([event.step, 100 * event.valAccuracy]);
        document.documentElement.dataset.accuracy = event.valAccuracy;
        this.draw();
    }

    onState(event) {
        Object.assign(this, {saved: event.bytes, runIsNewer: true});
        find('take').disabled = false;
        this.health = event.health;
        this.weights = event.weights || {};
        this.live.show(event.seen);
        this.onNumbers?.(event.last);
        this.showLayers();
    }

    onEnd(text) {
        this.setState('idle');
        find('progress').textContent = this.valAccuracy.length
            ? `${text} ${say('validationAccuracy', short(this.valAccuracy.at(-1)[1]))}` : text;
        document.documentElement.dataset.run = 'ended';
    }

    draw() {
        drawChart(find('loss-chart'), [{points: this.loss, colour: '#0969da'}, {points: this.valLoss, colour: '#bc4c00', dots: true}]);
        drawChart(find('accuracy-chart'), [{points: this.accuracy, colour: '#0969da'}, {points: this.valAccuracy, colour: '#bc4c00', dots: true}], 100);
        drawChart(find('speed-chart'), [{points: this.speed, colour: '#0969da'}]);
    }

    // ---- Layers ----

    // look: the layers' values for the picture of Look, and where each layer begins.
    setLook(values, starts) {
        this.look = {values, starts};
        if (!find('learn').hidden)
            this.showLayers();
    }

    // The newest row of each layer in health.csv, by the names of its columns.
    healthOf(layer) {
        const [head, ...rows] = this.health.trim().split('\n').map(line => line.split(','));
        const row = rows.reverse().find(cells => cells.includes(layer));
        return row ? Object.fromEntries(head.map((name, i) => [name, row[i]])) : {};
    }

    // Of the run's network once there is one, else of Look's.
    showLayers() {
        const head = ['layer', 'activations', 'weights', 'gradients', 'updates'], {layers} = this.live.seen || this.model;
        const fromTo = bounds => (bounds ? say('fromTo', ...bounds.map(short)) : '');
        const ofLook = i => this.look && range(this.look.values.subarray(this.look.starts[i], this.look.starts[i] + layers[i].count));
        const rows = layers.map((layer, i) => {
            const health = this.healthOf(layer.name);
            return [layer.name, fromTo(this.live.seen ? this.live.rangeOf(i) : ofLook(i)), fromTo(this.weights[layer.name]), health.gradient_norm || '', health.update_norm || ''];
        });
        find('layers').replaceChildren(make('tr', {}, ...head.map(key => make('th', {scope: 'col'}, say(key)))),
            ...rows.map(row => make('tr', {}, ...row.map(cell => make('td', {}, cell)))));
    }

    async save() {
        const bytes = this.runIsNewer ? this.saved : await this.ask('checkpoint');
        const link = make('a', {href: URL.createObjectURL(new Blob([bytes])), download: `${this.model.name}.safetensors`});
        link.click();
    }
}
