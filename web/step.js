// One step of training by hand: the loss of the picture of Look, the gradients of a tensor's
// numbers, and what the optimiser makes of them.
import {find, make, number} from './dom.js';
import {table} from './map.js';
import {say} from './words.js';

const WHOLE = 64; // a matrix of as many numbers is shown whole

// Numbers in a line of a long row: as many as a window has room for.
const lineLength = () => matchMedia('(max-width: 800px)').matches ? 6 : 8;

export class StepView {
    // ask: the worker's functions; onChange(): the network is another one.
    constructor(ask, onChange) {
        Object.assign(this, {ask, onChange});
        find('parameter').addEventListener('change', () => this.chooseTensor());
        find('compute-step').addEventListener('click', () => this.compute());
        find('apply-step').addEventListener('click', () => this.apply());
    }

    setModel(model) {
        this.model = model;
        this.tensors = model.tensors.filter(tensor => tensor.trainable);
        find('true-class').replaceChildren(...model.classes.map(name => make('option', {value: name}, name)));
        find('parameter').replaceChildren(...this.tensors.map((tensor, i) => make('option', {value: i}, `${tensor.name} (${tensor.dims.join(' × ')})`)));
        find('compute-step').disabled = this.tensors.length === 0;
        this.chooseTensor();
    }

    get tensor() {
        return this.tensors[Number(find('parameter').value)];
    }

    // Which indices are chosen before the numbers are shown: filter and channel, or a unit.
    get chosen() {
        const {dims} = this.tensor;
        return dims.length > 2 ? 2 : dims.length === 2 && dims[0] * dims[1] > WHOLE ? 1 : 0;
    }

    chooseTensor() {
        ['step-filter', 'step-channel'].forEach((id, i) => {
            const hidden = !this.tensor || i >= this.chosen;
            find(`${id}-row`).hidden = hidden;
            if (!hidden)
                Object.assign(find(id), {max: this.tensor.dims[i] - 1, value: 0});
        });
        this.clear();
    }

    clear() {
        find('step-loss').textContent = '';
        find('step-numbers').replaceChildren();
        find('step-text').hidden = find('apply-step').hidden = true;
    }

    // The places that are shown, and the rows and columns of their table.
    places() {
        const {name, dims} = this.tensor, chosen = this.chosen;
        const lead = ['step-filter', 'step-channel'].slice(0, chosen).map((id, i) => Math.max(0, Math.min(dims[i] - 1, Math.trunc(find(id).value) || 0)));
        const rest = dims.slice(chosen), all = rest.reduce((a, b) => a * b, 1), count = rest.length === 2 ? all : Math.min(WHOLE, all);
        const columns = rest.length === 2 ? rest[1] : Math.min(lineLength(), count), begin = lead.reduce((at, index, i) => at * dims[i] + index, 0) * all;
        const names = Array.from({length: count}, (none, i) =>
            `${name}:${[...lead, ...(rest.length === 2 ? [Math.floor(i / rest[1]), i % rest[1]] : [i])].join(',')}`);
        return {names, begin, grid: {rows: series(Math.ceil(count / columns)), columns: series(columns)}};
    }

    async compute() {
        const {names, begin, grid} = this.places(), label = find('true-class').value;
        this.clear();
        try {
            const step = await this.ask('gradient', label, names);
            this.step = {begin, tensor: this.tensor, ...step};
            find('step-loss').textContent = say('lossOfStep', number(step.loss), number(step.next));
            const show = (key, field) => {
                const values = step.places.map(place => place[field]);
                return table(say(key), values, grid, Math.max(...values.map(Math.abs)), (i, j) => () => this.explain(label, names[i * grid.columns.length + j]));
            };
            find('step-numbers').replaceChildren(show('numberNow', 'value'), show('gradient', 'gradient'), show('numberNext', 'updated'));
            find('apply-step').hidden = false;
            await this.explain(label, names[0]);
        } catch (error) {
            find('step-text').textContent = error.message;
            find('step-text').hidden = false;
        }
    }

    async explain(label, name) {
        find('step-text').textContent = (await this.ask('gradient', label, [name])).text;
        find('step-text').hidden = false;
    }

    // The numbers that are shown become those after the update.
    async apply() {
        const {begin, tensor, places} = this.step;
        await this.ask('patch', [[this.model.tensors.indexOf(tensor), begin, places.map(({updated}) => updated)]]);
        await this.onChange();
        await this.compute();
    }
}

const series = length => Array.from({length}, (none, i) => i);
