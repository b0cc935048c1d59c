// The network from left to right: a column for each layer, with its maps.
import {make, range, sizes} from './dom.js';
import {paintInput, paintMap} from './colour.js';
import {say} from './words.js';

const SHOWN = 12; // maps of a layer, until more are asked for

export class NetworkView {
    // box: the element that it fills; onChoose(layer, channel)
    constructor(box, onChoose = () => {}) {
        Object.assign(this, {box, onChoose});
        this.open = new Set(); // layers whose maps are all shown
    }

    setModel(model) {
        this.model = model;
        this.open.clear();
        this.build();
    }

    build() {
        const columns = this.model.layers.map((layer, i) => this.buildColumn(layer, i));
        const input = make('canvas', {role: 'img', 'aria-label': say('input')});
        this.box.replaceChildren(
            make('div', {class: 'column'}, make('h3', {}, say('input')), make('p', {}, this.model.input.join(' × ')),
                make('div', {class: 'maps input'}, input)), ...columns.map(column => column.element));
        this.input = input;
        this.columns = columns;
        if (this.values)
            this.paint();
        this.mark();
    }

    buildColumn(layer, i) {
        const {channels, rows, columns} = sizes(layer.output), flat = rows * columns === 1;
        const count = flat ? 1 : this.open.has(i) ? channels : Math.min(SHOWN, channels), canvases = [];
        const maps = make('div', {class: flat ? 'maps flat' : 'maps'});
        for (let c = 0; c < count; c++) {
            const canvas = make('canvas');
            canvases.push(canvas);
            maps.append(make('button', {'aria-label': say('mapOf', layer.name, c), 'aria-pressed': 'false', onclick: event =>
                this.onChoose(i, flat ? this.unitAt(event, canvas, channels) : c)}, canvas));
        }
        const element = make('div', {class: 'column'}, make('h3', {}, layer.name), make('p', {}, layer.output.join(' × ')), maps);
        if (!flat && count < channels)
            element.append(make('button', {class: 'more', onclick: () => {
                this.open.add(i);
                this.build();
            }}, say('more', channels - count)));
        return {element, canvases, channels, rows, columns, flat, maps};
    }

    unitAt(event, canvas, units) {
        const box = canvas.getBoundingClientRect(), share = (event.clientY - box.top) / box.height;
        return event.detail === 0 ? 0 : Math.max(0, Math.min(units - 1, Math.floor(share * units)));
    }

    // values: of all layers, one after another; starts: where each begins.
    show(image, values, starts) {
        Object.assign(this, {image, values, starts});
        this.paint();
    }

    paint() {
        const shape = sizes(this.model.input);
        paintInput(this.input, this.image, shape, range(this.image));
        this.columns.forEach(({canvases, channels, rows, columns, flat}, i) => {
            const area = rows * columns, values = this.values.subarray(this.starts[i], this.starts[i] + channels * area);
            if (flat)
                return this.paintFlat(canvases[0], values);
            canvases.forEach((canvas, c) => {
                const map = values.subarray(c * area, (c + 1) * area);
                paintMap(canvas, map, rows, columns, range(map));
            });
        });
    }

    // A flat layer is a column of cells.
    paintFlat(canvas, values) {
        paintMap(canvas, values, values.length, 1, range(values));
        canvas.style.height = `${Math.min(300, Math.max(60, values.length * 14))}px`;
    }

    mark(layer = this.layer, channel = this.channel) {
        Object.assign(this, {layer, channel});
        this.columns?.forEach(({maps, flat}, i) => [...maps.children].forEach((button, c) =>
            button.setAttribute('aria-pressed', i === layer && (flat || c === channel))));
    }
}
