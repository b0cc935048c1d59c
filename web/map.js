// One map, large: its scale, its numbers, and the arithmetic behind a value.
import {find, make, number, range, short, sizes} from './dom.js';
import {css, heat, isDark, signed} from './colour.js';
import {say} from './words.js';

const WIDTH = 460, NUMBERS = 30; // pixels of the map; a cell as wide as this has its number in it

export class MapView {
    // explain(layer, place, input) -> text; weights(layer) -> the layer's weight and its shape, or
    // null; onPlace(place): a value was chosen, perhaps of another layer.
    constructor({explain, weights, onPlace}) {
        Object.assign(this, {explain, weights, onPlace, asked: 0});
        this.canvas = find('map');
        const choose = event => this.choose(this.placeAt(event));
        this.canvas.addEventListener('pointermove', event => event.pointerType === 'mouse' && choose(event));
        this.canvas.addEventListener('pointerdown', choose);
        this.canvas.addEventListener('keydown', event => this.onKey(event));
        find('slide').addEventListener('click', () => this.slide());
        for (let i = 0, context = find('scale-bar').getContext('2d'); i < 200; i++) {
            context.fillStyle = css(heat(i / 199));
            context.fillRect(i, 0, 1, 1);
        }
    }

    setModel(model) {
        this.model = model;
    }

    get shape() {
        return sizes(this.model.layers[this.layer].output);
    }

    // A flat layer is shown as rows of units.
    get grid() {
        const {channels, rows, columns} = this.shape;
        if (rows * columns > 1)
            return {rows, columns};
        const wide = Math.ceil(Math.sqrt(channels));
        return {rows: Math.ceil(channels / wide), columns: wide};
    }

    show(values, starts, place) {
        Object.assign(this, {values, starts}, place);
        const {channels, rows, columns} = this.shape, area = rows * columns;
        const at = starts[this.layer] + (area > 1 ? this.channel * area : 0);
        this.map = values.subarray(at, at + (area > 1 ? area : channels));
        this.bounds = range(this.map);
        find('map-title').textContent = say('mapOf', this.model.layers[this.layer].name, this.channel);
        find('scale-text').textContent = say('scale', ...this.bounds.map(short));
        this.paint();
        this.tell();
    }

    paint() {
        const {rows, columns} = this.grid, cell = Math.max(4, Math.min(46, Math.floor(WIDTH / columns)));
        const context = this.canvas.getContext('2d'), [low, high] = this.bounds;
        Object.assign(this.canvas, {width: cell * columns, height: cell * rows});
        Object.assign(context, {font: `${Math.max(8, Math.floor(cell / 3.6))}px system-ui`, textAlign: 'center', textBaseline: 'middle'});
        for (let i = 0; i < this.map.length; i++) {
            const x = i % columns * cell, y = Math.floor(i / columns) * cell;
            const colour = heat(high > low ? (this.map[i] - low) / (high - low) : 0);
            context.fillStyle = css(colour);
            context.fillRect(x, y, cell, cell);
            if (cell >= NUMBERS) {
                context.fillStyle = isDark(colour) ? '#fff' : '#000';
                context.fillText(number(this.map[i], 2), x + cell / 2, y + cell / 2);
            }
        }
        const i = this.index;
        Object.assign(context, {strokeStyle: '#cf222e', lineWidth: 3});
        context.strokeRect(i % columns * cell + 1, Math.floor(i / columns) * cell + 1, cell - 2, cell - 2);
    }

    get index() {
        const {rows, columns} = this.shape;
        return rows * columns > 1 ? this.row * columns + this.column : this.channel;
    }

    placeOf(index) {
        const {rows, columns} = this.shape;
        return rows * columns > 1 ? {channel: this.channel, row: Math.floor(index / columns), column: index % columns}
            : {channel: index, row: 0, column: 0};
    }

    placeAt(event) {
        const {rows, columns} = this.grid, box = this.canvas.getBoundingClientRect();
        const x = Math.floor((event.clientX - box.left) / box.width * columns);
        const y = Math.floor((event.clientY - box.top) / box.height * rows);
        return Math.max(0, Math.min(this.map.length - 1, y * columns + Math.max(0, Math.min(columns - 1, x))));
    }

    choose(index) {
        if (index !== this.index)
            this.onPlace({layer: this.layer, ...this.placeOf(index)});
    }

    onKey(event) {
        const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.grid.columns, ArrowDown: this.grid.columns};
        const next = this.index + (steps[event.key] || 0);
        if (!(event.key in steps))
            return;
        event.preventDefault();
        if (next >= 0 && next < this.map.length)
            this.choose(next);
    }

    // Steps over the map, a value at a time.
    slide() {
        clearInterval(this.timer);
        let index = 0;
        const last = Math.min(this.map.length, 400);
        this.timer = setInterval(() => {
            if (index >= last)
                return clearInterval(this.timer);
            this.choose(index++);
        }, 250);
    }

    // ---- The arithmetic ----

    async tell() {
        const {layer, channel, row, column} = this, asked = ++this.asked;
        find('value').textContent = say('valueAt', row, column, number(this.map[this.index]));
        const text = await this.explain(layer, [channel, row, column], -1);
        if (asked !== this.asked)
            return;
        find('explanation').textContent = text;
        const window = readWindow(text, this.model);
        const weights = window && window.source !== undefined ? await this.weights(layer) : null;
        if (asked === this.asked)
            this.showWindow(window, weights, channel);
    }

    showWindow(window, weights, channel) {
        const box = find('window');
        if (!window || window.rows.length * window.columns.length > 121)
            return box.replaceChildren();
        const {source} = window, values = this.windowValues(window), largest = largestOf(values), {rows, columns} = this.sourcesOf(window);
        const name = source < 0 ? say('input') : this.model.layers[source].name;
        const parts = [table(say('windowIn', name, window.channel), values, window, largest, (i, j) => source >= 0 && rows[i] !== undefined && columns[j] !== undefined &&
            (() => this.onPlace({layer: source, channel: window.channel, row: rows[i], column: columns[j]})))];
        const size = window.rows.length * window.columns.length;
        if (weights && weights.dims.length === 4 && weights.dims[2] * weights.dims[3] === size) {
            const per = weights.dims[1], {kernel, products, sum} = this.productsOf(window, values, weights, channel, window.channel % per);
            parts.push('×', table(say('kernel'), kernel, window, largestOf(kernel)), '=',
                table(say('products'), products, window, largestOf(products)),
                make('p', {}, say('sumOfChannel', window.channel, number(sum))), this.sumUp(window, weights, channel));
        }
        box.replaceChildren(...parts);
    }

    // The kernel of one input channel, counted from the first of the filter's group.
    productsOf(window, values, weights, channel, input) {
        const start = (channel * weights.dims[1] + input) * values.length;
        const kernel = [...weights.values.subarray(start, start + values.length)], products = values.map((value, i) => value * kernel[i]);
        return {kernel, products, sum: products.reduce((a, b) => a + b, 0)};
    }

    // From the sums of all input channels to the value: bias, activation.
    sumUp(window, weights, channel) {
        const per = weights.dims[1], first = window.channel - window.channel % per, bias = weights.biases ? weights.biases[channel] : 0;
        let total = 0;
        for (let input = 0; input < per; input++)
            total += this.productsOf(window, this.windowValues({...window, channel: first + input}), weights, channel, input).sum;
        const lines = per > 1 ? [say('sumOfChannels', per, number(total))] : [];
        if (weights.biases)
            lines.push(`${number(total)} + ${number(bias)} (${say('bias')}) = ${number(total + bias)}`);
        if (number(total + bias, 4) !== number(this.map[this.index], 4))
            lines.push(say('afterActivation', number(this.map[this.index])));
        return make('p', {id: 'sum'}, lines.join('\n'));
    }

    shapeOf(source) {
        return sizes(source < 0 ? this.model.input : this.model.layers[source].output);
    }

    // Which rows and columns of the source lie under the window; undefined: none.
    sourcesOf({source, rows, columns, border}) {
        const shape = this.shapeOf(source);
        return {rows: rows.map(y => sourceOf(y, shape.rows, border)), columns: columns.map(x => sourceOf(x, shape.columns, border))};
    }

    // Values under the window: 0 in a padding of zeros, and undefined where a pool has nothing.
    windowValues(window) {
        const {rows, columns} = this.sourcesOf(window), {source, channel, border} = window, shape = this.shapeOf(source);
        const from = source < 0 ? this.image : this.values, start = source < 0 ? 0 : this.starts[source];
        return rows.flatMap(y => columns.map(x => (y !== undefined && x !== undefined ? from[start + (channel * shape.rows + y) * shape.columns + x]
            : border === 'zeros' ? 0 : undefined)));
    }
}

function sourceOf(i, size, border) {
    if (i >= 0 && i < size)
        return i;
    const nearest = i < 0 ? 0 : size - 1;
    return {reflect: 2 * nearest - i, replicate: nearest}[border];
}

// The window that an explanation speaks of: "kernel 1 over rows 1..3, columns 2..4 of pool1, channels
// 0..2", "the largest of rows 1..2, columns 2..3 of relu1[2]"; and what lies beyond the border.
export function readWindow(text, model) {
    const axis = name => `${name}s? (-?\\d+)(?:\\.\\.(-?\\d+))?(?: in steps of (\\d+))?`;
    const found = new RegExp(`(kernel \\d+ over|the mean of|the largest of) ${axis('row')}, ${axis('column')} of ([^\\s[,;]+)(?:\\[(\\d+)\\])?(?:, channels? (\\d+))?`).exec(text);
    if (!found)
        return null;
    const [, what, top, bottom = top, rowStep = 1, left, right = left, columnStep = 1, name, ofPool, first = 0] = found;
    const series = (from, to, step) => Array.from({length: (to - from) / step + 1}, (none, i) => Number(from) + i * Number(step));
    return {
        rows: series(top, bottom, rowStep),
        columns: series(left, right, columnStep),
        source: name === 'input' ? -1 : model.layers.findIndex(layer => layer.name === name),
        channel: Number(ofPool ?? /input channel (\d+)/.exec(text)?.[1] ?? first),
        border: !what.startsWith('kernel') ? 'none' : text.includes('the input is reflected') ? 'reflect' : text.includes('numbers are repeated') ? 'replicate' : 'zeros',
    };
}

const largestOf = values => Math.max(...values.map(value => Math.abs(value ?? 0)));

// action(i, j): what a click on row i, column j does; a false value: nothing. Cells without a value are empty.
export function table(caption, values, {rows, columns}, largest, action = () => null) {
    const body = rows.map((y, i) => make('tr', {}, ...columns.map((x, j) => {
        const value = values[i * columns.length + j];
        if (value === undefined)
            return make('td');
        const colour = signed(value, largest), act = action(i, j);
        const attributes = {style: `background:${css(colour)};color:${isDark(colour) ? '#fff' : '#000'}`, title: number(value)};
        if (act)
            Object.assign(attributes, {tabindex: 0, onclick: act, onkeydown: event => event.key === 'Enter' && act()});
        return make('td', attributes, short(value));
    })));
    return make('div', {class: 'grid'}, make('table', {}, make('caption', {}, caption), ...body));
}
