// The page of `cnn lab` in a browser: what tests/lab.sh runs, in a folder of its own.
//   node lab.mjs chromium|firefox CNN SOURCES [PART-OF-A-NAME]
import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {Chromium} from './chromium.mjs';
import {Firefox} from './firefox.mjs';

const [, , which, cnn, sources, only] = process.argv, here = process.cwd(); // only: the tests with this in their names
const environment = {...process.env, CNN_CPU: 'sse2'};
const run = (...words) => execFileSync(cnn, words, {encoding: 'utf8', env: environment, stdio: ['ignore', 'pipe', 'ignore']});
const digits = `${sources}/models/lenet5.safetensors`;
run('lab', digits, '-o', 'digits.html');
const browser = new (which === 'firefox' ? Firefox : Chromium)();
const stop = status => {
    browser.stop();
    process.exit(status);
};
process.on('SIGTERM', () => stop(1));
await browser.start(`${here}/profile-${which}`).catch(error => {
    console.error(error.message);
    stop(1);
});

async function test(name, work) {
    if (only && !name.includes(only))
        return;
    const begun = Date.now(), before = browser.seconds(), took = () => `${((Date.now() - begun) / 1000).toFixed(1)} s, of the processor ${(browser.seconds() - before).toFixed(1)} s`;
    try {
        await work();
        console.log(`ok ${name} (${took()})`);
    } catch (error) {
        console.log(`not ok ${name}: ${error.message.replaceAll('\n', ' | ').slice(0, 600)}`);
    }
}

function demand(condition, text) {
    if (!condition)
        throw new Error(text);
}

async function openModel(model, name, ...options) {
    run('lab', model, '-o', name, ...options);
    await browser.open(`${here}/${name}`);
}

// The same numbers each time.
function numbers(count, seed = 1) {
    let state = seed;
    return Float32Array.from({length: count}, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 31 - 1;
    });
}

function writeNpy(path, values, shape) {
    const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117) + '\n';
    const head = Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([1, 0, 118, 0]), Buffer.from(header)]);
    writeFileSync(path, Buffer.concat([head, Buffer.from(values.buffer)]));
}

const predict = values => browser.evaluate(`cnnLab.predict(new Float32Array(${JSON.stringify([...values])}))`);

// Fails unless two texts are the same, but for numbers that differ by at most 1e-6 of the larger
// one of 1 and the number.
function sameText(page, terminal, what) {
    const NUMBER = /-?\d+(?:\.\d+)?(?:e[-+]?\d+)?/g, squeeze = text => text.replace(NUMBER, '#').replace(/\s+/g, ' ').trim();
    demand(squeeze(page) === squeeze(terminal), `${what}: '${page}' is not '${terminal}'`);
    const theirs = terminal.match(NUMBER).map(Number);
    page.match(NUMBER).map(Number).forEach((value, i) =>
        demand(Math.abs(value - theirs[i]) <= 2e-6 * Math.max(1, Math.abs(theirs[i])), `${what}: ${value} is not ${theirs[i]}: '${page}' '${terminal}'`));
}

// The line that the program adds where rounding to float32 shows: it may be there on one side only.
const terms = text => text.split('\n').filter(line => !line.startsWith('the network, which rounds')).join('\n').trim();

// In the page: for each place of a layer, the text that appears when the mouse is over it.
const hover = (name, places) => browser.evaluate(`(async () => {
    const {layers} = cnnLab.model(), layer = layers.findIndex(one => one.name === ${JSON.stringify(name)}), texts = [];
    const maps = document.querySelectorAll('.column')[layer + 1], canvas = document.querySelector('#map');
    const [channels, rows = 1, columns = 1] = layers[layer].output, flat = rows * columns === 1, wide = Math.ceil(Math.sqrt(channels));
    for (const [channel, row = 0, column = 0] of ${JSON.stringify(places)}) {
        if (!flat && channel >= maps.querySelectorAll('.maps button').length)
            maps.querySelector('.more').click();
        document.querySelectorAll('.column')[layer + 1].querySelectorAll('.maps button')[flat ? 0 : channel].click();
        const box = canvas.getBoundingClientRect(), [y, x] = flat ? [Math.floor(channel / wide), channel % wide] : [row, column];
        const size = flat ? [Math.ceil(channels / wide), wide] : [rows, columns];
        canvas.dispatchEvent(new PointerEvent('pointermove', {pointerType: 'mouse',
            clientX: box.left + (x + 0.5) * box.width / size[1], clientY: box.top + (y + 0.5) * box.height / size[0]}));
        const wanted = await cnnLab.explain({layer, channel, row, column}), text = () => document.querySelector('#explanation').textContent;
        for (const end = Date.now() + 60000; text() !== wanted && Date.now() < end;)
            await new Promise(resolve => setTimeout(resolve, 5));
        if (text() !== wanted)
            throw new Error('at ' + [channel, row, column] + " is shown '" + text() + "', not '" + wanted + "'");
        texts.push(text());
    }
    return texts;
})()`);

// Waits until the sum of the window's products is that of the explanation.
function sameSum() {
    const result = id => `/\\(bias\\) = (\\S+)$/m.exec(document.querySelector('${id}')?.innerText)?.[1]`;
    return browser.until(`Math.abs(${result('#sum')} - ${result('#explanation')}) < 2e-5`, 20000);
}

// Twenty values of each layer, as `cnn explain` prints them.
async function compareExplanations(model) {
    const {layers, input} = await browser.evaluate('cnnLab.model()');
    const values = numbers(input.reduce((a, b) => a * b, 1));
    writeNpy('input.npy', values, input);
    await predict(values);
    await browser.evaluate('cnnLab.shown()');
    const draw = numbers(60 * layers.length, 7).map(Math.abs);
    for (const [i, {name, output}] of layers.entries()) {
        const places = Array.from({length: 20}, (none, k) => output.map((size, d) => Math.floor(draw[60 * i + 3 * k + d] * size)));
        const theirs = run('explain', model, 'input.npy', ...places.flatMap(place => ['--at', `${name}:${place.join(',')}`]));
        sameText(terms((await hover(name, places)).join('\n')), terms(theirs), name);
    }
}

// ---- Texts ----

await test('every text is in both languages, and is used', async () => {
    await browser.open(`${here}/digits.html`);
    const words = await browser.evaluate('cnnLab.words');
    const web = ['main', 'picture', 'camera', 'network', 'map', 'change', 'why', 'film', 'live', 'learn', 'step'].map(name => readFileSync(`${sources}/web/${name}.js`, 'utf8')).join('\n') +
        readFileSync(`${sources}/web/page.html`, 'utf8');
    const used = [...web.matchAll(/(?:\bsay\(|data-(?:say|label|hint)=")['"]?(\w+)/g)].map(match => match[1]);
    for (const key of used.filter(word => !['id', 'key', 'state'].includes(word)))
        demand(words[key], `'${key}' has no text`);
    for (const [key, texts] of Object.entries(words)) {
        demand(texts.length === 2 && texts.every(text => text.trim()), `'${key}' lacks a language`);
        demand(/[가-힣]/.test(texts[1]) || texts[0] === texts[1], `'${key}' is not Korean: ${texts[1]}`);
        demand(web.includes(`'${key}'`) || web.includes(`"${key}"`), `'${key}' is used nowhere`);
        demand(String(texts[0].match(/\{\d\}/g)?.sort()) === String(texts[1].match(/\{\d\}/g)?.sort()), `'${key}' fills in other values`);
    }
});

await test('a page in Korean speaks Korean', async () => {
    await openModel(digits, 'korean.html', '--lang', 'ko');
    const look = await browser.evaluate("document.querySelector('#tab-look').textContent + document.documentElement.lang");
    demand(look === '살펴보기ko', look);
    const silent = await browser.evaluate("[...document.querySelectorAll('button, input, select, canvas, textarea')].filter(element => " +
        "!element.textContent.trim() && !element.getAttribute('aria-label') && !element.closest('label') && !element.closest('button')).map(element => element.outerHTML.slice(0, 80))");
    demand(silent.length === 0, `without a name: ${silent}`);
});

// ---- Look ----

await test('without a model the page is for digits', async () => {
    run('lab', '-o', 'default.html');
    await browser.open(`${here}/default.html`);
    demand(await browser.evaluate("document.querySelector('#name').textContent") === 'lenet5', 'another network');
});

await test('a network that takes no pictures can be opened, and answers numbers', async () => {
    await openModel(`${sources}/configs/lessons/19-perceptron.yaml`, 'bits.html');
    demand((await browser.evaluate("document.querySelector('#picture-note').textContent")).includes('channels'), 'it does not say why');
    demand((await predict([0, 0, 1, 1, 0, 1, 0, 1])).length > 0, 'no answer');
});

await test('drawn digits are recognised', async () => {
    await browser.open(`${here}/digits.html`);
    const strokes = {1: [[140, 50], [140, 230]], 7: [[80, 60], [190, 60], [120, 230]],
        2: [[90, 80], [150, 50], [190, 90], [150, 140], [90, 220], [200, 220]],
        0: [[140, 50], [90, 90], [85, 150], [110, 220], [160, 225], [195, 160], [190, 90], [140, 50]]};
    for (const [digit, points] of Object.entries(strokes)) {
        await browser.click('#clear');
        await browser.draw('#draw', points);
        await browser.until(`document.querySelector('#bars .best').textContent === '${digit}'`).catch(async () => {
            throw new Error(`${digit} is taken for ${await browser.evaluate("document.querySelector('#bars').innerText")}`);
        });
    }
});

await test('a digit is drawn with the keyboard', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.evaluate("document.querySelector('#draw').focus()");
    for (const [key, times] of [['ArrowUp', 8], [' ', 1], ['ArrowDown', 16], [' ', 1], ['ArrowRight', 3]])
        for (let i = 0; i < times; i++)
            await browser.press(key);
    await browser.until("document.querySelector('#bars .best').textContent === '1'");
});

// Every control that is shown and enabled, in the order of the page, by the tabulator.
await test('the keyboard reaches every control of both tabs', async () => {
    await browser.open(`${here}/digits.html`);
    for (const tab of ['look', 'learn']) {
        await browser.click(`#tab-${tab}`);
        await browser.until("document.querySelector('#sum') !== null");
        const wanted = await browser.evaluate("(all => { all.forEach((one, i) => { one.dataset.order = i; }); document.activeElement?.blur(); return all.length; })(" +
            "[...document.querySelectorAll('button, input, select, textarea, summary, [tabindex]')].filter(one => one.checkVisibility() && !one.disabled && one.tabIndex >= 0))");
        await browser.evaluate("document.querySelector('[data-order=\"0\"]').focus()");
        for (let i = 0; i < wanted; i++) {
            const at = await browser.evaluate("document.activeElement.dataset.order ?? document.activeElement.outerHTML.slice(0, 80)");
            demand(at === String(i), `${tab}: at ${at}, not at ${i} of ${wanted}`);
            await browser.press('Tab');
        }
        await browser.evaluate("document.querySelectorAll('[data-order]').forEach(one => delete one.dataset.order)");
    }
});

await test('a camera gives pictures until one is held, or the page says why not', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.click('#camera');
    const seen = "document.querySelector('#seen').toDataURL()", first = await browser.evaluate(seen);
    await browser.until(`${seen} !== ${JSON.stringify(first)}`);
    await browser.click('#camera');
    await browser.until("document.querySelector('#camera').getAttribute('aria-pressed') === 'false'");
    await browser.evaluate("void Object.defineProperty(navigator, 'mediaDevices', {value: undefined, configurable: true})");
    await browser.click('#camera');
    await browser.until("document.querySelector('#camera-note').textContent.includes('https://')");
});

// What would change a held picture holds it first; a camera that comes after it was called off is not kept.
await test('a camera ends when anything else is done to the picture', async () => {
    await browser.open(`${here}/digits.html`);
    const on = "document.querySelector('#camera').getAttribute('aria-pressed') === 'true'", live = "window.lent.getTracks().some(track => track.readyState === 'live')";
    await browser.evaluate("(devices => { const ask = devices.getUserMedia.bind(devices); devices.getUserMedia = async how => (window.lent = await ask(how)); })(navigator.mediaDevices)");
    for (const id of ['left', 'turn', 'shuffle', 'tab-learn', 'clear']) {
        await browser.click('#camera');
        await browser.until(on);
        await browser.click(`#${id}`);
        await browser.until(`!(${on}) && !(${live})`);
    }
    demand(await browser.evaluate("document.querySelector('#shuffle').getAttribute('aria-pressed')") === 'false', 'a cleared picture is called shuffled');
    await browser.evaluate('delete window.lent');
    await browser.evaluate("['#camera', '#left'].forEach(id => document.querySelector(id).click())");
    await browser.until(`window.lent !== undefined && !(${live})`);
    demand(await browser.evaluate(`!(${on})`), 'it is on');
});

await test('another language leaves what buttons do', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.click('#camera');
    await browser.until("document.querySelector('#camera').getAttribute('aria-pressed') === 'true'");
    await browser.type('#language', 'ko');
    demand(await browser.evaluate("document.querySelector('#camera').textContent") === '이 장면 멈추기', 'the camera goes on, and its button offers to start it');
    await browser.click('#camera');
});

await test('a page that is opened at its address shows the same drawing', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.draw('#draw', [[140, 50], [140, 230]]);
    await browser.until("location.hash.includes('draw=')");
    await browser.until("document.querySelector('#bars .best').textContent === '1'");
    const address = await browser.evaluate('location.hash'), bars = await browser.evaluate("document.querySelector('#bars').innerText");
    await browser.open(`${here}/digits.html${address}`);
    demand(await browser.evaluate("document.querySelector('#bars').innerText") === bars, 'another answer');
});

await test('a value that is chosen shows its arithmetic', async () => {
    await browser.open(`${here}/digits.html#draw=140,50_140,230`);
    await browser.evaluate("document.querySelectorAll('.column')[3].querySelectorAll('button')[2].click()");
    await browser.until("document.querySelector('#explanation').textContent.startsWith('conv2[2], row 5, column 5')");
    await browser.evaluate("document.querySelector('#map').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', cancelable: true}))");
    await browser.until("document.querySelector('#explanation').textContent.startsWith('conv2[2], row 5, column 4')");
    await browser.until("document.querySelectorAll('#window table').length === 3"); // window, kernel, products
    await sameSum();
    await browser.evaluate("document.querySelector('#window td[tabindex]').click()");
    await browser.until("document.querySelector('#explanation').textContent.startsWith('pool1[')");
});

await test('a channel that is switched off changes the answer, until it is restored', async () => {
    const best = "document.querySelector('#bars').innerText", before = await browser.evaluate(best);
    for (let i = 0; i < 6; i++) {
        await browser.evaluate(`document.querySelectorAll('.column')[1].querySelectorAll('button')[${i}].click()`);
        await browser.click('#off');
        await browser.until(`document.querySelectorAll('.column')[1].querySelectorAll('button')[${i}].getAttribute('aria-pressed') === 'true'`);
    }
    await browser.until(`${best} !== ${JSON.stringify(before)}`);
    await browser.click('#restore');
    await browser.until(`${best} === ${JSON.stringify(before)}`);
});

await test('Grad-CAM is the picture of cnn visualize', async () => {
    await browser.click('#gradcam');
    await browser.until("document.querySelector('#evidence img')?.naturalWidth > 100");
});

await test('the classes are those of cnn predict', async () => {
    await browser.open(`${here}/digits.html`);
    const values = numbers(784, 3);
    writeNpy('predict.npy', values, [1, 28, 28]);
    const ours = await predict(values), theirs = JSON.parse(run('predict', digits, 'predict.npy', '--top', '10', '--json'));
    theirs.predictions.forEach((one, i) => {
        demand(one.index === ours[i].index && one.class === ours[i].class, `rank ${i}: ${ours[i].class}, not ${one.class}`);
        demand(Math.abs(one.probability - ours[i].probability) < 1e-6, `${ours[i].probability} is not ${one.probability}`);
    });
});

await test('explanations of lenet5 are those of cnn explain', async () => {
    await browser.open(`${here}/digits.html`);
    await compareExplanations(digits);
});

await test('explanations of every layer type are those of cnn explain', async () => {
    await openModel(`${sources}/tests/lab/layers.yaml`, 'layers.html');
    const bytes = await browser.evaluate("cnnLab.checkpoint().then(bytes => btoa([...bytes].map(byte => String.fromCharCode(byte)).join('')))");
    writeFileSync('layers.safetensors', Buffer.from(bytes, 'base64'));
    const types = await browser.evaluate('cnnLab.model().layers.map(layer => layer.type)');
    const known = readFileSync(`${sources}/src/layers/layers.def`, 'utf8').match(/^LAYER\((\w+)/gm).map(line => line.slice(6));
    const missing = known.filter(name => !types.includes(name));
    demand(missing.length === 0, `layers.yaml has no ${missing}`);
    await compareExplanations('layers.safetensors');
});

// The window's own arithmetic, beyond the border and within it, ends in the network's number.
await test('the products of a window come to the value, whatever the padding is', async () => {
    await openModel(`${sources}/tests/lab/padding.yaml`, 'padding.html');
    const {layers} = await browser.evaluate('cnnLab.model()'), convolutions = layers.filter(({type}) => /conv/.test(type));
    await predict(numbers(147, 5));
    await browser.evaluate('cnnLab.shown()');
    for (const {name, output: [channels]} of convolutions)
        for (const [row, column] of [[0, 0], [0, 6], [6, 0], [3, 3], [6, 6]]) {
            await hover(name, [[channels - 1, row, column]]);
            await sameSum().catch(async () => {
                throw new Error(`${name}, row ${row}, column ${column}: ${await browser.evaluate("document.querySelector('#window').innerText + '  ' + document.querySelector('#explanation').textContent")}`);
            });
        }
    await hover('pooled', [[0, 0, 0]]);
    await browser.until("document.querySelectorAll('#window td').length === 9 && document.querySelectorAll('#window td:empty').length === 5");
});

// ---- Learn ----

await test('a mistake in the description has its place and its caret', async () => {
    await openModel(`${sources}/configs/lessons/14-shapes.yaml`, 'shapes.html');
    await browser.click('#tab-learn');
    await browser.type('#description', 'name: x\ninput: [1, 8, 8]\nlayers:\n  - {type: conv, filter: 3, kernel_size: 3}\n');
    await browser.until("!document.querySelector('#mistakes').hidden");
    const text = await browser.evaluate("document.querySelector('#mistakes').textContent");
    demand(text.includes('description:4:18: error: layer \'conv\' has no key \'filter\'') && text.includes('\n                   ^\n'), text);
    demand(await browser.evaluate("document.querySelector('#train').disabled"), 'it could be trained');
});

// The bytes that a click on Save gives the browser to keep. None is kept: its question would stay open.
async function saved() {
    await browser.evaluate("(() => { window.kept = null; URL.createObjectURL = blob => { window.kept = blob; return '#'; }; HTMLAnchorElement.prototype.click = () => {}; })()");
    await browser.click('#save');
    await browser.until('window.kept !== null');
    return Buffer.from(await browser.evaluate("kept.arrayBuffer().then(bytes => btoa(Array.from(new Uint8Array(bytes), byte => String.fromCharCode(byte)).join('')))"), 'base64');
}

// What a run's network is shown to answer, and its layers' values, are those of its checkpoint.
async function sameAsTerminal(checkpoint) {
    const shown = await browser.evaluate("[...document.querySelectorAll('#live-answers figure')].map(one => [one.className, one.innerText.trim()])");
    demand(shown.length === 8, `${shown.length} examples`);
    shown.forEach(([kind, text], i) => {
        const {truth, predictions: [{class: name, probability}]} = JSON.parse(run('predict', checkpoint, `${checkpoint}:val:${i}`, '--top', '1', '--json'));
        const told = `${name}, ${(100 * probability).toFixed(0)} %` + (name === truth ? '' : `; it is ${truth}`);
        demand(kind === (name === truth ? 'right' : 'wrong') && text === told, `example ${i}: '${text}' (${kind}), not '${told}'`);
    });
    const layers = await browser.evaluate("[...document.querySelectorAll('#layers tr')].slice(1).map(row => [...row.children].slice(0, 3).map(cell => cell.textContent))");
    const values = run('explain', checkpoint, `${checkpoint}:val:0`, ...Array.from({length: 10}, (none, i) => ['--at', `dense1:${i}`]).flat()).match(/= (-?[\d.e-]+)$/gm).map(text => Number(text.slice(2)));
    demand(layers.at(-1)[0] === 'dense1' && layers.at(-1)[2].includes(' to '), String(layers.at(-1)));
    const [low, high] = layers.at(-1)[1].split(' to ').map(Number);
    demand(Math.abs(low - Math.min(...values)) < 0.01 * Math.abs(low) && Math.abs(high - Math.max(...values)) < 0.01 * Math.abs(high), `dense1 from ${low} to ${high}, not ${values}`);
}

await test('training on shapes passes 60 %, and cnn eval finds the same accuracy', async () => {
    await openModel(`${sources}/configs/lessons/14-shapes.yaml`, 'shapes.html');
    await browser.click('#tab-learn');
    const begun = Date.now(), before = browser.seconds(), reached = "Number(document.documentElement.dataset.accuracy) > 0.6";
    const over = "['ended', 'idle'].includes(document.documentElement.dataset.run)", told = () => browser.evaluate("document.querySelector('#progress').textContent");
    await browser.click('#train');
    await browser.until(`${reached} || ${over}`, 1800000);
    demand(await browser.evaluate(reached), `no 60 %: ${await told()}`);
    const taken = browser.seconds() - before;
    console.log(`# 60 % after ${((Date.now() - begun) / 1000).toFixed(1)} s, ${taken.toFixed(1)} s of the processor`);
    demand(taken < 60, `${taken} s of the processor until 60 %`);
    await browser.until(over, 1800000);
    demand((await told()).includes('The run is complete'), await told());
    const accuracy = Number(await browser.evaluate('document.documentElement.dataset.accuracy'));
    demand(await browser.evaluate("document.querySelectorAll('#layers tr')[1].children[2].textContent !== ''"), 'no gradients');
    demand(await browser.evaluate("!document.querySelector('#film').hidden"), 'no kernels over time');
    const check = async name => {
        writeFileSync(name, await saved());
        const found = JSON.parse(run('eval', name, '--split', 'val', '--json'));
        demand(Math.abs(found.accuracy - accuracy) < 1e-12, `${name}: ${found.accuracy} is not ${accuracy}`);
    };
    await check('trained.safetensors');
    await sameAsTerminal('trained.safetensors');
    demand(await browser.evaluate("document.querySelector('#film-step').textContent") === 'after 845 steps', 'the film ends before the run');
    await browser.evaluate("document.body.style.width = '470px'");
    const wide = await browser.evaluate("[...document.querySelectorAll('.panel:not([hidden]) > section')].filter(one => one.scrollWidth > one.clientWidth).map(one => one.id)");
    demand(wide.length === 0, `wider than a narrow page: ${wide}`);
    await browser.click('#take');
    await browser.until('cnnLab.model().trained');
    await check('taken.safetensors');
    await browser.evaluate("(files => { files.items.add(new File(['name: other\\ninput: [1, 2, 2]\\nlayers: [{type: flatten}, {type: dense, units: 2}]\\n'], 'other.yaml')); " +
        "Object.assign(document.querySelector('#load'), {files: files.files}).dispatchEvent(new Event('change')); })(new DataTransfer())");
    await browser.until("document.querySelector('#name').textContent === 'other'");
    writeFileSync('other.safetensors', await saved());
    demand(/^other /.test(run('summary', 'other.safetensors')), 'what is saved is the run, and another model was opened after it');
});

await test('a run that fails ends, and says why', async () => {
    writeFileSync('wild.yaml', 'name: wild\ninput: [3, 32, 32]\nlayers:\n  - {type: flatten}\n  - {type: dense, units: 64, activation: relu}\n  - {type: dense, units: 10}\n' +
        'data: {dataset: shapes, limit: 200, normalize: auto}\nloss: cross_entropy\ntrain:\n  epochs: 3\n  optimizer: {type: sgd, lr: 1000}\n');
    await openModel('wild.yaml', 'wild.html');
    await browser.click('#tab-learn');
    await browser.click('#train');
    await browser.until("document.documentElement.dataset.run === 'ended'");
    const told = await browser.evaluate("document.querySelector('#progress').textContent");
    demand(told.includes('error'), told);
    demand(await browser.evaluate("document.querySelector('#pause').disabled"), 'it can be paused');
});

await test('training can be paused, taken step by step, and go on with another rate and another batch', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.click('#tab-learn');
    await browser.type('#data', 'mnist');
    await browser.type('#description', (await browser.evaluate("document.querySelector('#description').value")).replace(/epochs: \d+/, 'epochs: 1000'));
    await browser.click('#train');
    const text = "document.querySelector('#progress').textContent", step = `Number(/step (\\d+)/.exec(${text})?.[1] ?? -1)`;
    const going = "!document.querySelector('#pause').disabled";
    await browser.until(`${step} > 0 && ${going}`);
    await browser.click('#pause');
    await browser.until("document.documentElement.dataset.run === 'paused'");
    const before = await browser.evaluate(step);
    await browser.click('#step');
    await browser.until(`${step} === ${before + 1}`);
    await browser.type('#rate', '0.001');
    await browser.until(going);
    demand(await browser.evaluate(step) === before + 1, 'another rate ended the pause');
    await browser.click('#pause');
    await browser.until(`${step} > ${before + 1}`);
    const total = async () => Number(/of (\d+)$/.exec(await browser.evaluate(text))?.[1]), few = await total();
    await browser.type('#batch', '16');
    await browser.until(`${step} > 0 && ${going}`);
    demand(await total() > 3 * few, `${await total()} steps with batches of 16, ${few} with 64`);
    await browser.until("location.hash.includes('batch=16') && location.hash.includes('text=')");
    await browser.open(`${here}/digits.html${await browser.evaluate('location.hash')}`);
    demand(await browser.evaluate("document.querySelector('#batch').value + document.querySelector('#rate').value + /dataset: mnist/.test(document.querySelector('#description').value)") ===
        '160.001true', 'the address does not hold the settings');
});

await test('a step by hand is that of cnn explain --gradient, and can be taken over', async () => {
    await openModel(`${sources}/configs/lessons/14-step.yaml`, 'step.html');
    await predict([1, 0]);
    await browser.evaluate('cnnLab.shown()');
    await browser.click('#tab-learn');
    await browser.click('#compute-step');
    await browser.until("!document.querySelector('#step-text').hidden");
    writeNpy('pixels.npy', Float32Array.from([1, 0]), [1, 1, 2]);
    const theirs = run('explain', `${sources}/configs/lessons/14-step.yaml`, 'pixels.npy', '--gradient', '--label', '0', '--at', 'dense1.weight:0,0');
    const ours = await browser.evaluate("document.querySelector('#step-text').textContent");
    sameText(ours.trim(), theirs.trim(), 'the step');
    const cells = kind => browser.evaluate(`[...document.querySelectorAll('#step-numbers table')[${kind}].querySelectorAll('td')].map(cell => Number(cell.title))`);
    const after = await cells(2), [, next] = /after one update of all parameters: (\S+)/.exec(await browser.evaluate("document.querySelector('#step-loss').textContent"));
    await browser.click('#apply-step');
    await browser.until(`document.querySelector('#step-loss').textContent.startsWith('loss: ${next};')`);
    demand(String(await cells(0)) === String(after), 'the new numbers are not those of the network');
});

await test('a step shows as many numbers as the tensor has', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.click('#tab-learn');
    await browser.evaluate("(choice => { choice.value = [...choice.options].find(one => one.text === 'dense3.bias (10)').value; choice.dispatchEvent(new Event('change')); })(document.querySelector('#parameter'))");
    await browser.click('#compute-step');
    await browser.until("document.querySelectorAll('#step-numbers table').length === 3");
    const cells = await browser.evaluate("[...document.querySelectorAll('#step-numbers table')[0].querySelectorAll('td')].map(cell => cell.textContent)");
    demand(cells.filter(Boolean).length === 10 && cells.every(text => !/undefined|NaN/.test(text)), String(cells));
    await browser.until("!document.querySelector('#step-text').hidden");
    const cut = await browser.evaluate("['step-numbers', 'step-text'].filter(id => document.getElementById(id).scrollWidth > document.getElementById(id).clientWidth).join()");
    demand(cut === '', `${cut} is wider than the window`);
});

await test('no page writes to the console or asks the network', async () => {
    await browser.leave();
    demand(browser.messages.length === 0, browser.messages.join('; '));
    demand(browser.requests.length === 0, browser.requests.join('; '));
});

// The policy, which a worker has, too: what it refuses is told on the console, so this comes last.
await test('no page could ask the network', async () => {
    await browser.open(`${here}/digits.html`);
    const request = "new Promise(resolve => { addEventListener('securitypolicyviolation', ({violatedDirective}) => resolve(violatedDirective)); fetch('https://example.com/').then(() => resolve('answered'), () => {}); })";
    for (const where of [request, `new Promise(resolve => { new Worker(URL.createObjectURL(new Blob([${JSON.stringify(`${request}.then(postMessage)`)}]))).onmessage = ({data}) => resolve(data); })`])
        demand(await browser.evaluate(where) === 'connect-src', 'a request was not refused');
});

stop(0);
