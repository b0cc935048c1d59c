// The page of `cnn lab` in a browser: what tests/lab.sh runs, in a folder of its own.
//   node lab.mjs CNN SOURCES [PART-OF-A-NAME]
import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {Browser} from './browser.mjs';

const [, , cnn, sources, only] = process.argv, here = process.cwd(); // only: the tests with this in their names
const environment = {...process.env, CNN_CPU: 'sse2'};
const run = (...words) => execFileSync(cnn, words, {encoding: 'utf8', env: environment, stdio: ['ignore', 'pipe', 'ignore']});
const digits = `${sources}/models/lenet5.safetensors`;
run('lab', digits, '-o', 'digits.html');
const browser = await Browser.start(`${here}/profile`);

async function test(name, work) {
    if (only && !name.includes(only))
        return;
    try {
        await work();
        console.log(`ok ${name}`);
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

// Twenty values of each layer, as `cnn explain` prints them.
async function compareExplanations(model) {
    const {layers, input} = await browser.evaluate('cnnLab.model()');
    const values = numbers(input.reduce((a, b) => a * b, 1));
    writeNpy('input.npy', values, input);
    await predict(values);
    const draw = numbers(60 * layers.length, 7).map(Math.abs);
    for (const [i, {name, output}] of layers.entries()) {
        const places = Array.from({length: 20}, (none, k) => output.map((size, d) => Math.floor(draw[60 * i + 3 * k + d] * size)));
        const theirs = run('explain', model, 'input.npy', ...places.flatMap(place => ['--at', `${name}:${place.join(',')}`]));
        const ours = [];
        for (const [channel, row = 0, column = 0] of places)
            ours.push(await browser.evaluate(`cnnLab.explain({layer: ${JSON.stringify(name)}, channel: ${channel}, row: ${row}, column: ${column}})`));
        sameText(terms(ours.join('\n')), terms(theirs), name);
    }
}

// ---- Texts ----

await test('every text is in both languages, and is used', async () => {
    await browser.open(`${here}/digits.html`);
    const words = await browser.evaluate('cnnLab.words');
    const web = ['main', 'picture', 'network', 'map', 'change', 'why', 'learn'].map(name => readFileSync(`${sources}/web/${name}.js`, 'utf8')).join('\n') +
        readFileSync(`${sources}/web/page.html`, 'utf8');
    const used = [...web.matchAll(/(?:\bsay\(|data-(?:say|label)=")['"]?(\w+)/g)].map(match => match[1]);
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

await test('drawn digits are recognised', async () => {
    await browser.open(`${here}/digits.html`);
    const strokes = {1: [[140, 50], [140, 230]], 7: [[80, 60], [190, 60], [120, 230]],
        2: [[90, 80], [150, 50], [190, 90], [150, 140], [90, 220], [200, 220]],
        0: [[140, 50], [90, 90], [85, 150], [110, 220], [160, 225], [195, 160], [190, 90], [140, 50]]};
    for (const [digit, points] of Object.entries(strokes)) {
        await browser.click('#clear');
        await browser.draw('#draw', points);
        await browser.until(`document.querySelector('#bars .best').textContent === '${digit}'`, 20000).catch(async () => {
            throw new Error(`${digit} is taken for ${await browser.evaluate("document.querySelector('#bars').innerText")}`);
        });
    }
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
    await browser.evaluate("document.querySelectorAll('.column')[3].querySelectorAll('button')[2].click()");
    await browser.until("document.querySelector('#explanation').textContent.startsWith('conv2[2], row 5, column 5')");
    await browser.evaluate("document.querySelector('#map').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', cancelable: true}))");
    await browser.until("document.querySelector('#explanation').textContent.startsWith('conv2[2], row 5, column 4')");
    demand(await browser.evaluate("document.querySelectorAll('#window table').length") === 3, 'no window, kernel and products');
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
    await browser.until("document.querySelector('#evidence img')?.naturalWidth > 100", 60000);
});

await test('the classes are those of cnn predict', async () => {
    const values = numbers(784, 3);
    writeNpy('predict.npy', values, [1, 28, 28]);
    const ours = await predict(values), theirs = JSON.parse(run('predict', digits, 'predict.npy', '--top', '10', '--json'));
    theirs.predictions.forEach((one, i) => {
        demand(one.index === ours[i].index && one.class === ours[i].class, `rank ${i}: ${ours[i].class}, not ${one.class}`);
        demand(Math.abs(one.probability - ours[i].probability) < 1e-6, `${ours[i].probability} is not ${one.probability}`);
    });
});

await test('explanations of lenet5 are those of cnn explain', () => compareExplanations(digits));

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

// ---- Learn ----

await test('a mistake in the description has its place and its caret', async () => {
    await openModel(`${sources}/configs/lessons/14-shapes.yaml`, 'shapes.html');
    await browser.click('#tab-learn');
    await browser.evaluate("(area => { area.value = 'name: x\\ninput: [1, 8, 8]\\nlayers:\\n  - {type: conv, filter: 3, kernel_size: 3}\\n'; " +
        "area.dispatchEvent(new Event('input')); })(document.querySelector('#description'))");
    await browser.until("!document.querySelector('#mistakes').hidden");
    const text = await browser.evaluate("document.querySelector('#mistakes').textContent");
    demand(text.includes('description:4:18: error: layer \'conv\' has no key \'filter\'') && text.includes('\n                   ^\n'), text);
    demand(await browser.evaluate("document.querySelector('#train').disabled"), 'it could be trained');
});

await test('training on shapes passes 60 %, and cnn eval finds the same accuracy', async () => {
    await openModel(`${sources}/configs/lessons/14-shapes.yaml`, 'shapes.html');
    await browser.click('#tab-learn');
    const begun = Date.now();
    await browser.click('#train');
    await browser.until("Number(document.documentElement.dataset.accuracy) > 0.6", 600000);
    console.log(`# 60 % after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    await browser.until("document.documentElement.dataset.run === 'ended'", 600000);
    const accuracy = Number(await browser.evaluate('document.documentElement.dataset.accuracy'));
    demand(await browser.evaluate("document.querySelectorAll('#layers tr')[1].children[2].textContent !== ''"), 'no gradients');
    demand(await browser.evaluate("document.querySelectorAll('#film figure').length > 0"), 'no kernels over time');
    await browser.click('#take');
    await browser.until("document.querySelector('#name').textContent === 'shapes'");
    await browser.until("!document.querySelector('#take').disabled");
    const bytes = await browser.evaluate("cnnLab.trained().then(bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join('')))");
    writeFileSync('trained.safetensors', Buffer.from(bytes, 'base64'));
    const found = JSON.parse(run('eval', 'trained.safetensors', '--split', 'val', '--json'));
    demand(found.accuracy === accuracy, `${found.accuracy} is not ${accuracy}`);
});

await test('training can be paused, taken step by step and go on with another rate', async () => {
    await browser.open(`${here}/digits.html`);
    await browser.click('#tab-learn');
    await browser.evaluate("(choice => { choice.value = 'mnist'; choice.dispatchEvent(new Event('change')); })(document.querySelector('#data'))");
    await browser.click('#train');
    await browser.until("/step|단계/.test(document.querySelector('#progress').textContent) && !document.querySelector('#pause').disabled", 120000);
    await browser.click('#pause');
    const text = "document.querySelector('#progress').textContent", step = async () => Number(/step (\d+)/.exec(await browser.evaluate(text))[1]);
    let before = -1;
    while (before !== await step()) { // until the slice that goes on is over
        before = await step();
        await new Promise(resolve => setTimeout(resolve, 3000));
    }
    await browser.click('#step');
    await browser.until(`${text}.includes('step ${before + 1} ')`);
    await browser.evaluate("(field => { field.value = '0.001'; field.dispatchEvent(new Event('change')); })(document.querySelector('#rate'))");
    await browser.until("!document.querySelector('#pause').disabled", 120000);
    await browser.click('#pause');
    await browser.until(`Number(/step (\\d+)/.exec(${text})?.[1]) > ${before + 2} || document.documentElement.dataset.run === 'ended'`, 120000);
});

await test('no page writes to the console or asks the network', async () => {
    demand(browser.messages.length === 0, browser.messages.join('; '));
    demand(browser.requests.length === 0, browser.requests.join('; '));
});

browser.stop();
