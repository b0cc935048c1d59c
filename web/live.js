// The network of a run while it learns: its values for one image, and what it answers to a few.
import {find, make, range, sizes} from './dom.js';
import {paintInput} from './colour.js';
import {NetworkView} from './network.js';
import {say} from './words.js';

export class Live {
    constructor() {
        this.network = new NetworkView(find('live-network'));
        this.reset();
    }

    reset() {
        this.seen = null;
        find('live-section').hidden = true;
    }

    // What the worker saw of the run after a slice of training; null: nothing can be seen.
    show(seen) {
        if (!seen)
            return;
        const shapes = list => JSON.stringify(list.layers.map(layer => [layer.name, layer.output]));
        if (!this.seen || shapes(this.seen) !== shapes(seen))
            this.network.setModel(seen);
        this.seen = seen;
        find('live-section').hidden = false;
        this.paint();
    }

    // Where the values of a layer begin among all.
    get starts() {
        let at = 0;
        return this.seen.layers.map(layer => (at += layer.count) - layer.count);
    }

    // The smallest and the largest value of a layer; null: it has not been seen.
    rangeOf(i) {
        return this.seen?.layers[i] ? range(this.seen.values.subarray(this.starts[i], this.starts[i] + this.seen.layers[i].count)) : null;
    }

    paint() {
        this.network.show(this.seen.samples[0].image, this.seen.values, this.starts);
        find('live-answers').replaceChildren(...this.seen.samples.map(sample => this.answer(sample)));
    }

    answer({class: wanted, answer, right, probability, image}) {
        const canvas = make('canvas', {role: 'img', 'aria-label': wanted}), percent = (100 * probability).toFixed(0);
        const told = right ? say('rightAnswer', answer, percent) : say('wrongAnswer', answer, percent, wanted);
        paintInput(canvas, image, sizes(this.seen.input), range(image));
        return make('figure', {class: right ? 'right' : 'wrong'}, canvas, make('figcaption', {}, told));
    }

    // In another language.
    speak() {
        if (this.seen) {
            this.network.build();
            this.paint();
        }
    }
}
