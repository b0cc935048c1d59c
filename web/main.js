// The page: what the worker knows, shown; what the reader does, told to the worker.
import {WORDS, LANGUAGES, say, setLanguage, currentLanguage, translate} from './words.js';
import {find, make, range} from './dom.js';
import {paintInput} from './colour.js';
import {Client, latest} from './client.js';
import {readAddress, writeAddress} from './state.js';
import {Picture} from './picture.js';
import {Camera} from './camera.js';
import {NetworkView} from './network.js';
import {MapView} from './map.js';
import {ChangeView} from './change.js';
import {listenToWhy} from './why.js';
import {LearnView} from './learn.js';
import {StepView} from './step.js';

const given = JSON.parse(find('model').textContent), address = readAddress();
const root = document.documentElement;
const bytesOf = base64 => Uint8Array.from(atob(base64.trim()), letter => letter.charCodeAt(0));

let client, camera, model, starts, seen = null;
const place = {layer: 0, channel: 0, row: 0, column: 0};
const ask = (...words) => client.ask(...words);

// ---- What is shown ----

const views = {};

const look = latest(async () => showLook(await ask('look', await views.picture.input())));

function showLook(now) {
    seen = now;
    paintInput(find('seen'), now.image, views.picture.shape, range(now.image));
    showAnswer(now.probabilities);
    views.network.show(now.image, now.values, starts);
    views.learn.setLook(now.values, starts);
    showPlace();
    remember();
}

function showAnswer(probabilities) {
    const order = ranked(probabilities).slice(0, 10);
    find('bars').replaceChildren(...order.flatMap((i, rank) => [
        make('span', rank ? {} : {class: 'best'}, model.classes[i]),
        make('div', {class: 'bar'}, make('i', {style: `width:${100 * probabilities[i]}%`})),
        make('span', {class: rank ? 'n' : 'n best'}, percent(probabilities[i]))]));
    if (!probabilities.every(Number.isFinite))
        find('bars').replaceChildren(say('noAnswer'));
}

// What is not certain is not shown as such.
const percent = share => (share > 0.999 && share < 1 ? '> 99.9 %' : share > 0 && share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`);

const ranked = values => [...values.keys()].sort((a, b) => values[b] - values[a] || a - b);

function showPlace() {
    Object.assign(views.map, {image: seen.image});
    views.network.mark(place.layer, place.channel);
    views.map.show(seen.values, starts, place);
}

function choose(next) {
    const [channels, rows = 1, columns = 1] = model.layers[next.layer].output;
    const inside = (value, count) => Math.max(0, Math.min(count - 1, value || 0));
    const other = next.layer !== place.layer || next.channel !== place.channel;
    Object.assign(place, next, {channel: inside(next.channel, channels), row: inside(next.row, rows), column: inside(next.column, columns)});
    if (seen)
        showPlace();
    if (other || !seen)
        views.change.show({...place});
    remember();
}

function middleOf(layer, channel) {
    const [, rows = 1, columns = 1] = model.layers[layer].output;
    return {layer, channel, row: rows >> 1, column: columns >> 1};
}

function remember() {
    const {dx, dy, turns, shuffled} = views.picture;
    writeAddress({tab: find('learn').hidden ? '' : 'learn', lang: currentLanguage() === 'en' ? '' : currentLanguage(),
        ...place, layer: model.layers[place.layer].name, dx, dy, turns, shuffle: shuffled ? 1 : 0, draw: views.picture.strokesText(), ...views.learn.changes});
}

// ---- The model ----

async function openModel(bytes) {
    model = await ask('open', bytes);
    starts = [];
    model.layers.reduce((at, layer) => (starts.push(at), at + layer.count), 0);
    for (const view of Object.values(views))
        view.setModel?.(model);
    views.picture.setShape(model.input);
    views.picture.numbers = null;
    seen = null;
    tellFacts();
    choose(middleOf(0, 0));
    await look();
}

function tellFacts() {
    const parameters = model.layers.reduce((sum, layer) => sum + layer.params, 0);
    find('name').textContent = model.name;
    document.title = say('title', model.name);
    find('facts').textContent = say('facts', model.layers.length, parameters.toLocaleString(), model.input.join(' × '));
}

// ---- Scripts ----

window.cnnLab = {
    // The classes for an ImageData, or for numbers that go in unchanged; the best one first.
    async predict(input) {
        await (input instanceof ImageData ? views.picture.setPixels(input) : views.picture.setNumbers(Float32Array.from(input)));
        const values = await views.picture.input(), probabilities = await ask('predict', values);
        return ranked(probabilities).map(index => ({class: model.classes[index], index, probability: probabilities[index]}));
    },
    // The text of `cnn explain` for the picture of the page. layer: its name or number.
    async explain({layer, channel = 0, row = 0, column = 0, input = -1}) {
        const index = typeof layer === 'number' ? layer : model.layers.findIndex(one => one.name === layer);
        return ask('explain', index, [channel, row, column], input);
    },
    // A promise that the page shows what it was given.
    shown: () => look(),
    model: () => model,
    // The network as a checkpoint, bytes.
    checkpoint: () => ask('checkpoint'),
    // That of the run, with its state; null before there is one.
    trained: () => ask('trained'),
    words: WORDS,
};

// ---- The page ----

function chooseTab(name) {
    for (const tab of ['look', 'learn']) {
        find(tab).hidden = tab !== name;
        find(`tab-${tab}`).setAttribute('aria-selected', tab === name);
        find(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    }
    if (name === 'learn' && model)
        views.learn.showLayers();
}

function speak(language) {
    setLanguage(language);
    root.lang = currentLanguage();
    translate(document);
    if (!model)
        return;
    tellFacts();
    camera.showState();
    views.learn.showState();
    views.network.build();
    views.learn.live.speak();
    views.learn.showLayers();
    choose({...place});
    views.change.show({...place});
}

function listen() {
    for (const tab of ['look', 'learn']) {
        find(`tab-${tab}`).addEventListener('click', () => {
            chooseTab(tab);
            remember();
        });
        find(`tab-${tab}`).addEventListener('keydown', event => {
            if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')
                return;
            chooseTab(tab === 'look' ? 'learn' : 'look');
            find(find('learn').hidden ? 'tab-look' : 'tab-learn').focus();
        });
    }
    for (const event of ['input', 'change'])
        find('learn').addEventListener(event, () => model && remember());
    find('language').append(...Object.entries(LANGUAGES).map(([code, name]) => make('option', {value: code}, name)));
    find('language').value = currentLanguage();
    find('language').addEventListener('change', event => speak(event.target.value));
}

// While a run goes on, its kernels become frames of the film; so do those it ends with.
let lastFrame = 0;
async function onTrained(last) {
    if (!last && performance.now() - lastFrame < 1000)
        return;
    lastFrame = performance.now();
    const weights = await ask('trainedKernels');
    if (weights)
        views.learn.film.add(weights, views.learn.steps);
}

function makeViews() {
    views.change = new ChangeView(ask, () => look());
    views.picture = new Picture(() => (model ? look() : undefined), (...pixels) => ask('prepare', ...pixels));
    views.network = new NetworkView(find('network'), (layer, channel) => choose(layer === place.layer ? {...place, channel} : middleOf(layer, channel)));
    views.map = new MapView({explain: (...words) => ask('explain', ...words), weights: layer => views.change.weights(layer), onPlace: choose});
    views.learn = new LearnView(ask, bytes => openModel(bytes).catch(fail));
    views.learn.onNumbers = onTrained;
    views.step = new StepView(ask, () => look());
    camera = new Camera(pixels => views.picture.setPixels(pixels, true));
    listenToWhy(ask);
}

function fail(error) {
    find('notice').hidden = false;
    find('notice').className = 'bad';
    find('notice').textContent = say('failed', error.message);
}

async function start() {
    setLanguage(address.lang || given.language);
    root.lang = currentLanguage();
    translate(document);
    client = new Client(find('worker').textContent, bytesOf(find('program').textContent), event => views.learn.onEvent(event));
    makeViews();
    listen();
    await client.ready;
    const mnist = find('mnist').textContent.trim().split('\n').map(line => line.split(' '));
    await ask('writeFiles', mnist.map(([name, bytes]) => [`data/mnist/${name}`, bytesOf(bytes)]));
    await openModel(bytesOf(given.file));
    restore();
    await look();
    find('notice').hidden = true;
    root.dataset.state = 'ready';
}

// What the address says.
function restore() {
    const picture = views.picture, layer = model.layers.findIndex(one => one.name === address.layer);
    if (address.draw)
        picture.setStrokes(address.draw);
    picture.change({dx: Number(address.dx) || 0, dy: Number(address.dy) || 0, turns: Number(address.turns) % 4 || 0, shuffled: address.shuffle === '1'});
    if (layer >= 0)
        choose({layer, channel: Number(address.channel), row: Number(address.row), column: Number(address.column)});
    views.learn.restore(address);
    chooseTab(address.tab === 'learn' ? 'learn' : 'look');
}

start().catch(fail);
