// Kernels over time: a film of the first layer that has any.
import {find, range} from './dom.js';
import {paintMap} from './colour.js';
import {say} from './words.js';

const FRAMES = 120, PAUSE = 150; // frames of the film, at most; milliseconds of each

export class Film {
    constructor() {
        find('film-time').addEventListener('input', event => this.show(Number(event.target.value)));
        find('film-play').addEventListener('click', () => this.play());
        this.reset();
    }

    reset() {
        clearInterval(this.timer);
        this.frames = [];
        find('film').hidden = true;
    }

    // One more frame. Of a long film, every other one is kept, and the newest.
    add(weights, step) {
        const last = Number(find('film-time').value) >= this.frames.length - 1;
        this.frames.push({weights, step});
        if (this.frames.length > FRAMES)
            this.frames = this.frames.filter((frame, i) => i % 2 === 0 || i === this.frames.length - 1);
        find('film').hidden = false;
        find('film-time').max = this.frames.length - 1;
        if (last)
            this.show(this.frames.length - 1);
    }

    // Filters as squares, side by side: the first input channel of each, all in one scale of colours.
    show(i) {
        const {weights: {dims: [filters, inputs, rows, columns], values}, step} = this.frames[i], canvas = find('film-picture');
        const wide = Math.ceil(Math.sqrt(2 * filters)), width = wide * (columns + 1), height = Math.ceil(filters / wide) * (rows + 1);
        const sheet = new Float32Array(width * height), bounds = range(values);
        sheet.fill(bounds[0]);
        for (let f = 0; f < filters; f++)
            for (let y = 0; y < rows; y++)
                for (let x = 0; x < columns; x++)
                    sheet[(Math.floor(f / wide) * (rows + 1) + y) * width + f % wide * (columns + 1) + x] = values[(f * inputs * rows + y) * columns + x];
        paintMap(canvas, sheet, height, width, bounds);
        canvas.style.width = `${Math.min(width * 10, 480)}px`;
        find('film-time').value = i;
        find('film-step').textContent = say('afterSteps', step);
        canvas.setAttribute('aria-label', `${say('kernels')}: ${say('afterSteps', step)}`);
    }

    play() {
        clearInterval(this.timer);
        let i = 0;
        this.timer = setInterval(() => (i < this.frames.length ? this.show(i++) : clearInterval(this.timer)), PAUSE);
    }
}
