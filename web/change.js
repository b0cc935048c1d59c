// Changing the network: numbers of a kernel, and channels switched off.
import {find, make, number} from './dom.js';
import {say} from './words.js';

export class ChangeView {
    // ask: the worker's functions; onChange(): the network is another one.
    constructor(ask, onChange) {
        Object.assign(this, {ask, onChange});
        find('off').addEventListener('click', () => this.switchOff());
        find('restore').addEventListener('click', async () => {
            await this.ask('restore');
            await this.onChange();
            this.show(this.place);
        });
    }

    setModel(model) {
        this.model = model;
    }

    tensorsOf(layer) {
        const name = this.model.layers[layer].name;
        const index = part => this.model.tensors.findIndex(tensor => tensor.name === `${name}.${part}`);
        return {weight: index('weight'), bias: index('bias')};
    }

    // The layer's weight and bias: shape and numbers; null if it has none.
    async weights(layer) {
        const {weight, bias} = this.tensorsOf(layer);
        return weight < 0 ? null : {index: weight, dims: this.model.tensors[weight].dims, values: await this.ask('tensor', weight),
            biases: bias < 0 ? null : await this.ask('tensor', bias)};
    }

    async show(place) {
        this.place = place;
        const weights = await this.weights(place.layer), box = find('kernel');
        find('off').disabled = !weights;
        if (place !== this.place)
            return;
        if (!weights || weights.dims.length !== 4)
            return box.replaceChildren(make('p', {class: 'help'}, say('noKernel')));
        const [, inputs, rows, columns] = weights.dims;
        this.input = Math.min(this.input || 0, inputs - 1);
        const choice = make('select', {'aria-label': say('inputChannel'), onchange: event => {
            this.input = Number(event.target.value);
            this.show(place);
        }}, ...Array.from({length: inputs}, (none, i) => make('option', {value: i, selected: i === this.input}, String(i))));
        const start = (place.channel * inputs + this.input) * rows * columns;
        const body = Array.from({length: rows}, (none, y) => make('tr', {}, ...Array.from({length: columns}, (nothing, x) =>
            make('td', {}, make('input', {
                value: number(weights.values[start + y * columns + x], 5), inputmode: 'decimal', 'aria-label': say('weightAt', y, x),
                onchange: event => this.setWeight(weights, start + y * columns + x, Number(event.target.value)),
            })))));
        box.replaceChildren(...(inputs > 1 ? [make('label', {}, say('inputChannel'), ' ', choice)] : []), make('table', {}, ...body));
    }

    async setWeight(weights, at, value) {
        if (!Number.isFinite(value))
            return;
        await this.ask('patch', [[weights.index, at, [value]]]);
        this.onChange();
    }

    // A filter of zeros answers 0 everywhere.
    async switchOff() {
        const {weight, bias} = this.tensorsOf(this.place.layer), channel = this.place.channel;
        await this.ask('patch', [weight, bias].filter(index => index >= 0).map(index => {
            const size = this.model.tensors[index].dims.slice(1).reduce((a, b) => a * b, 1);
            return [index, channel * size, new Float32Array(size)];
        }));
        await this.onChange();
        this.show(this.place);
    }
}
